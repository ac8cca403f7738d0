//! The check of a whole database: silent about what happened, loud about what was done to it from outside.

use agent_loop::core::run::Event;
use agent_loop::store::Violation;
use rusqlite::Connection;

use super::support::*;

/// A database in which a run is under way and another is completed.
async fn busy() -> Bench {
    let bench = Bench::new();
    bench.create("a").await;
    bench.create("b").await;
    bench.complete("b").await;
    bench.moves("a", claim()).await;
    bench.moves("a", Event::Pause).await;
    assert_eq!(bench.replay().await, []);
    bench
}

/// Takes every guard away: what is left is the check.
fn defenceless(bench: &Bench) -> Connection {
    let raw = bench.raw();
    let mut select = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .expect("readable");
    let names = select.query_map([], |row| row.get(0)).expect("readable");
    let names: Vec<String> = names.collect::<Result<_, _>>().expect("readable");
    drop(select);
    for name in names {
        raw.execute_batch(&format!("DROP TRIGGER {name}"))
            .expect("drops");
    }
    raw
}

fn fields(found: &[Violation]) -> Vec<(&str, &str)> {
    found
        .iter()
        .map(|it| (it.entity.as_str(), it.field.as_str()))
        .collect()
}

#[tokio::test]
async fn what_was_changed_from_outside_is_found_by_run_and_field() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "UPDATE runs SET state = 'queued', kind = 'waiting' WHERE id = 'a'",
            &[("a", "state")],
        ),
        ("UPDATE runs SET rev = 9 WHERE id = 'a'", &[("a", "rev")]),
        (
            "UPDATE runs SET facts = json_set(facts, '$.confirms', 2) WHERE id = 'b'",
            &[("b", "fact confirms")],
        ),
        (
            "UPDATE runs SET verified_tree = 'other' WHERE id = 'b'",
            &[("b", "columns")],
        ),
        (
            "UPDATE runs SET due_at = 5 WHERE id = 'a'",
            &[("a", "columns")],
        ),
        (
            "UPDATE runs SET priority = 5 WHERE id = 'a'",
            &[("a", "columns")],
        ),
        (
            "UPDATE runs SET facts = '{}' WHERE id = 'a'",
            &[("a", "the facts of run a")],
        ),
        (
            "UPDATE runs SET state = 'dreaming' WHERE id = 'a'",
            &[("a", "the state of run a")],
        ),
        (
            "DELETE FROM places WHERE run_id = 'a'",
            &[("a", "ticket of its place")],
        ),
        (
            "INSERT INTO places (run_id, ticket) VALUES ('b', 0)",
            &[("b", "ticket of its place")],
        ),
        (
            "UPDATE steps SET exit_code = 9 WHERE id = 'b.1'",
            &[("b.1", "columns")],
        ),
        (
            "UPDATE steps SET facts = json_set(facts, '$.exit_code', 9), exit_code = 9 WHERE id = 'b.1'",
            &[("b.1", "fact exit_code")],
        ),
        (
            "UPDATE steps SET state = 'queued', kind = 'waiting', ended_at = NULL WHERE id = 'b.1'",
            &[("b", "open step"), ("b.1", "state"), ("b.1", "columns")],
        ),
        (
            "DELETE FROM journal WHERE entity = 'a' AND rev = 2",
            &[
                ("a", "journal rev 3: rev"),
                ("a", "journal rev 3: from_state"),
            ],
        ),
        (
            "DELETE FROM journal WHERE entity = 'a' AND rev = 3",
            &[
                ("a", "state"),
                ("a", "rev"),
                ("a", "fact generation"),
                ("a", "fact hold"),
            ],
        ),
        (
            "UPDATE journal SET answer = 'verify' WHERE entity = 'a' AND rev = 2",
            &[("a", "journal rev 2: edge"), ("a", "journal rev 2: move")],
        ),
        (
            "UPDATE journal SET data = json_set(data, '$.worker', 'w9') WHERE entity = 'a' AND rev = 2",
            &[("a", "fact worker")],
        ),
        (
            "UPDATE journal SET data = '{}' WHERE entity = 'a' AND rev = 2",
            &[("a", "journal rev 2: data")],
        ),
        (
            "UPDATE journal SET event = 'cancel' WHERE entity = 'a' AND rev = 2",
            &[("a", "journal rev 2: edge"), ("a", "journal rev 2: event")],
        ),
        (
            "UPDATE journal SET event = 'claim' WHERE entity = 'a' AND rev = 1",
            &[("a", "journal rev 1: event")],
        ),
        (
            "UPDATE journal SET data = '{}' WHERE entity = 'a' AND rev = 1",
            &[("a", "journal rev 1: data")],
        ),
        (
            "UPDATE journal SET to_state = 'paused' WHERE entity = 'a' AND rev = 1",
            &[
                ("a", "journal rev 1: to_state"),
                ("a", "journal rev 2: from_state"),
            ],
        ),
        (
            "INSERT INTO journal (machine, entity, rev, at, event, data, to_state, version)
             VALUES ('handover', 'a', 1, 0, 'created', '{}', 'none', 1)",
            &[("a", "row")],
        ),
        (
            "INSERT INTO journal (machine, entity, rev, at, event, data, to_state, version)
             VALUES ('step', 'b', 1, 0, 'created', '{}', 'queued', 1)",
            &[("b", "row")],
        ),
        (
            "UPDATE journal SET entity = 'nobody' WHERE entity = 'b.1' AND rev = 1",
            &[
                ("nobody", "row"),
                ("b.1", "journal rev 2: rev"),
                ("b.1", "journal rev 2: from_state"),
            ],
        ),
    ];
    for (sql, expected) in cases {
        let bench = busy().await;
        let changed = defenceless(&bench).execute(sql, []).expect(sql);
        assert!(changed > 0, "{sql}");
        let found = bench.replay().await;
        assert_eq!(&fields(&found), expected, "{sql}: {found:#?}");
    }
}

/// Row and journal agree, and no table ever began there.
#[tokio::test]
async fn a_run_that_was_never_in_the_queue_is_found() {
    let bench = busy().await;
    bench.create("c").await;
    defenceless(&bench)
        .execute_batch(
            "UPDATE journal SET to_state = 'paused' WHERE entity = 'c';
             UPDATE runs SET state = 'paused', kind = 'held' WHERE id = 'c';",
        )
        .expect("tampers");
    let found = bench.replay().await;
    assert_eq!(fields(&found), [("c", "journal rev 1: to_state")]);
    assert_eq!(
        (found[0].expected.as_str(), found[0].found.as_str()),
        ("queued", "paused")
    );
}

#[tokio::test]
async fn a_violation_says_what_was_expected_and_what_is_there() {
    let bench = busy().await;
    defenceless(&bench)
        .execute_batch("UPDATE runs SET rev = 9 WHERE id = 'a'")
        .expect("tampers");
    let found = bench.replay().await;
    assert_eq!(
        found[0].to_string(),
        "a: rev is 9, but 3 follows from the journal"
    );
}

#[tokio::test]
async fn rows_of_an_older_table_are_checked_by_the_edges_of_their_own_time() {
    let bench = busy().await;
    let raw = defenceless(&bench);
    // As if everything until now had been written by version 0 of the table, which had this edge and no other.
    raw.execute_batch(
        "UPDATE journal SET version = 0, data = '{\"of\": \"then\"}' WHERE entity = 'a';
         INSERT INTO declared_edges (machine, version, from_state, event, answer, to_state)
         SELECT machine, 0, from_state, event, answer, to_state FROM journal WHERE entity = 'a' AND rev > 1;",
    )
    .expect("ages");
    assert_eq!(bench.replay().await, []);
    raw.execute_batch(
        "UPDATE declared_edges SET to_state = 'merging' WHERE version = 0 AND event = 'pause'",
    )
    .expect("ages");
    let found = bench.replay().await;
    assert_eq!(fields(&found), [("a", "journal rev 3: edge")]);
}
