//! A database that an earlier format left: brought up to date with everything that is in it, all at once or not at all.

use agent_loop::core::handover::Event as Handing;
use agent_loop::core::run::{Event, State};
use agent_loop::core::time::Time;
use agent_loop::store::{self, HandOver, HandoverAnswer, Options, StoreError};
use rusqlite::Connection;

use super::support::*;

/// What brought each format to the next, from the first on.
const STEPS: [&str; 4] = [
    include_str!("../../src/store/schema.sql"),
    include_str!("../../src/store/handover.sql"),
    include_str!("../../src/store/naming.sql"),
    include_str!("../../src/store/notes.sql"),
];
/// The tables whose rows an earlier format had, in an order in which nothing refers to what is still to come.
const TABLES: [&str; 11] = [
    "runs",
    "places",
    "steps",
    "journal",
    "effects",
    "events",
    "artifacts",
    "idempotency",
    "merge_intents",
    "declared_edges",
    "handovers",
];

/// The columns of a table; none for one that is not there.
fn columns(db: &Connection, schema: &str, table: &str) -> Vec<String> {
    let mut select = db
        .prepare("SELECT name FROM pragma_table_info(?1, ?2)")
        .expect("readable");
    let names = select.query_map([table, schema], |row| row.get(0));
    let names = names.expect("readable").collect::<Result<_, _>>();
    names.expect("readable")
}

/// A directory with a database of this format, in which stands what stands in the bench's.
fn aged(bench: &Bench, format: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let old = raw(dir.path());
    for step in &STEPS[..format] {
        old.execute_batch(step).expect("an earlier format");
    }
    let new = store::file(bench.dir.path());
    old.execute("ATTACH ?1 AS new", [new.display().to_string()])
        .expect("attached");
    for table in TABLES {
        let names = columns(&old, "main", table).join(", ");
        if !names.is_empty() {
            let copy =
                format!("INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}");
            old.execute_batch(&copy).expect(&copy);
        }
    }
    old.execute_batch(&format!(
        "DETACH new; PRAGMA application_id = 0x6c6f6f70; PRAGMA user_version = {format};"
    ))
    .expect("signed");
    dir
}

/// Everything that the database is made of, as text.
fn made_of(db: &Connection) -> Vec<String> {
    let mut select = db
        .prepare(
            "SELECT type || ' ' || name || ': ' || ifnull(sql, '') FROM sqlite_schema ORDER BY 1",
        )
        .expect("readable");
    let lines = select.query_map([], |row| row.get(0)).expect("readable");
    lines.collect::<Result<_, _>>().expect("readable")
}

fn format(db: &Connection) -> i64 {
    let found = db.query_row("PRAGMA user_version", [], |row| row.get(0));
    found.expect("readable")
}

#[tokio::test]
async fn a_run_that_an_earlier_format_left_under_way_is_brought_to_its_end() {
    for from in 1..STEPS.len() {
        let before = Bench::new();
        before.create("a").await;
        before.moves("a", claim()).await;
        let run = before.run("a").await;
        let pending = before.reader.pending_effects().await.expect("readable");
        let dir = aged(&before, from);
        let (writer, reader) = store::open(dir.path(), Options::default()).expect("opens");
        let bench = Bench {
            dir,
            writer,
            reader,
        };
        assert_eq!(made_of(&bench.raw()), made_of(&before.raw()), "from {from}");
        assert_eq!(format(&bench.raw()), format(&before.raw()));
        assert_eq!(bench.run("a").await, run);
        let taken_up = bench.reader.pending_effects().await.expect("readable");
        assert_eq!(taken_up, pending, "from {from}");
        assert_eq!(bench.replay().await, [], "from {from}");
        // What later formats brought is there for it, too.
        let note = "{\"about\":\"to\"}".to_owned();
        let noted = bench.writer.note_effect(pending[0].id, note.clone()).await;
        noted.expect("notes");
        let found = bench.reader.effect_note(pending[0].id).await;
        assert_eq!(found.expect("readable"), Some(note));
        assert_eq!(bench.complete("a").await.state, State::Completed);
        let handed = HandOver::new(id("a"), Handing::Scrap, Time(3_000));
        let handed = bench.writer.hand_over(handed).await.expect("applies");
        assert!(matches!(handed.answer, HandoverAnswer::Moved(_)));
        assert_eq!(bench.replay().await, [], "from {from}");
    }
}

#[tokio::test]
async fn a_run_that_had_ended_before_there_were_handovers_gets_one_when_it_is_handed_over() {
    let before = Bench::new();
    before.create("a").await;
    before.moves("a", Event::Cancel).await;
    before
        .raw()
        .execute_batch(
            "DROP TRIGGER handover_delete; DROP TRIGGER handover_journal_delete;
             DELETE FROM handovers; DELETE FROM journal WHERE machine = 'handover';",
        )
        .expect("as there was none");
    let dir = aged(&before, 1);
    let (writer, reader) = store::open(dir.path(), Options::default()).expect("opens");
    let bench = Bench {
        dir,
        writer,
        reader,
    };
    assert_eq!(bench.replay().await, []);
    let handed = HandOver::new(id("a"), Handing::Scrap, Time(3_000));
    let handed = bench.writer.hand_over(handed).await.expect("applies");
    assert!(
        matches!(handed.answer, HandoverAnswer::Moved(_)),
        "{handed:?}"
    );
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn what_cannot_be_brought_up_to_date_stays_as_it_was() {
    let before = Bench::new();
    before.create("a").await;
    let dir = aged(&before, 1);
    let old = raw(dir.path());
    // The last step cannot be made; those before it could.
    old.execute_batch("ALTER TABLE effects ADD COLUMN note TEXT")
        .expect("in the way");
    let (was, rows) = (made_of(&old), old.total_changes());
    let refused = store::open(dir.path(), Options::default()).map(|_| ());
    let refused = refused.expect_err("it opened");
    assert!(matches!(refused, StoreError::Sqlite { .. }), "{refused}");
    assert_eq!((made_of(&old), format(&old)), (was, 1));
    assert_eq!(old.total_changes(), rows);
    old.execute_batch("ALTER TABLE effects DROP COLUMN note")
        .expect("out of the way");
    let (_, reader) = store::open(dir.path(), Options::default()).expect("opens");
    assert_eq!(reader.replay().await.expect("replays"), []);
}
