//! A store in a directory of its own, and the words to talk to it. The clock is a number that the test moves.

use std::path::Path;

use agent_loop::core::run::{Event, RunId};
use agent_loop::core::time::Time;
use agent_loop::store::{
    self, Answer, Applied, Apply, Created, EffectDone, EffectId, Move, NewRun, Options, Reader,
    StepApplied, StoredRun, StoredStep, Violation, Writer,
};
use rusqlite::Connection;

pub use super::reports::*;
pub use crate::support::{RESUME, RETRY};

/// A store that goes away with the test.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub writer: Writer,
    pub reader: Reader,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (writer, reader) = store::open(dir.path(), Options::default()).expect("a store");
        Bench {
            dir,
            writer,
            reader,
        }
    }

    /// A connection past every type of ours; the guards in the database are all that is left.
    pub fn raw(&self) -> Connection {
        raw(self.dir.path())
    }

    pub async fn create(&self, id: &str) -> StoredRun {
        self.create_as(new_run(id)).await
    }

    pub async fn create_as(&self, new: NewRun) -> StoredRun {
        match self.writer.create(new).await.expect("creates") {
            Created::New(run, _) => *run,
            other => panic!("not created: {other:?}"),
        }
    }

    pub async fn run(&self, id: &str) -> StoredRun {
        let run = self.reader.run(&RunId(id.to_owned())).await;
        run.expect("readable").expect("a run")
    }

    pub async fn send(&self, id: &str, event: Event) -> Applied {
        let apply = Apply::new(RunId(id.to_owned()), event, Time(2_000));
        self.writer.apply(apply).await.expect("applies")
    }

    /// Sends an event that has to move the run.
    pub async fn moves(&self, id: &str, event: Event) -> Move {
        let name = event.name();
        match self.send(id, event).await.answer {
            Answer::Moved(made) => *made,
            other => panic!("{name} did not move {id}: {other:?}"),
        }
    }

    /// The next report of a run on its way to completion; `None` when it is there.
    pub async fn next_event(&self, id: &str) -> Option<Event> {
        let run = self.run(id).await;
        on_the_way(&run)
    }

    pub async fn steps(&self, id: &str) -> Vec<StoredStep> {
        let steps = self.reader.steps(&RunId(id.to_owned())).await;
        steps.expect("readable")
    }

    pub async fn replay(&self) -> Vec<Violation> {
        self.reader.replay().await.expect("replays")
    }

    /// The number of rows of a table, possibly with a condition.
    pub fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {what}");
        let count = self.raw().query_row(&sql, [], |row| row.get(0));
        count.expect("countable")
    }

    /// Every row of every table of ours, as text.
    pub fn everything(&self) -> Vec<String> {
        everything(&self.raw())
    }

    /// Takes a run all the way to completion.
    pub async fn complete(&self, id: &str) -> StoredRun {
        while let Some(event) = self.next_event(id).await {
            self.moves(id, event).await;
        }
        self.run(id).await
    }
}

/// Every row of every table of ours, as text.
pub fn everything(db: &Connection) -> Vec<String> {
    let tables =
        "runs places steps handovers journal effects events artifacts idempotency merge_intents";
    let mut all = Vec::new();
    for table in tables.split(' ') {
        let mut select = db
            .prepare(&format!("SELECT * FROM {table}"))
            .expect("a table");
        let columns = select.column_count();
        let mut rows = select.query([]).expect("readable");
        while let Some(row) = rows.next().expect("readable") {
            let values = (0..columns).map(|i| format!("{:?}", row.get_ref(i).expect("a column")));
            all.push(format!(
                "{table}: {}",
                values.collect::<Vec<_>>().join(" | ")
            ));
        }
    }
    all
}

pub fn raw(dir: &Path) -> Connection {
    let conn = Connection::open(store::file(dir)).expect("opens");
    conn.busy_timeout(std::time::Duration::from_secs(5))
        .expect("sets");
    conn
}

/// Says loudly when something did not move.
pub trait ExpectMoved {
    fn expect_moved(self) -> StoredStep;
}

impl ExpectMoved for StepApplied {
    fn expect_moved(self) -> StoredStep {
        match self {
            StepApplied::Moved(step, _) => *step,
            other => panic!("the step did not move: {other:?}"),
        }
    }
}

pub fn id(text: &str) -> RunId {
    RunId(text.to_owned())
}

pub fn done_with(effect: EffectId) -> EffectDone {
    EffectDone {
        id: effect,
        outcome: "done".to_owned(),
    }
}
