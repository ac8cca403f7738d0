//! What the scheduler looks at: the waiting runs with their gates, and the slots in use. Everything here is found through
//! places and indexes that hold only runs that have not ended or still have a step, so that its cost grows with them and
//! not with history. What follows from it is the scheduler's question.

use rusqlite::{Connection, OptionalExtension as _};

use super::Reader;
use super::codec::{self, nat};
use super::error::{Fault, StoreError};
use super::rows::{self, StoredRun};
use crate::core::machine::Kind;
use crate::core::run::{self, RunId, State, WaitWhy};
use crate::core::schedule::{
    Dependency, DependencyState, NotBefore, Occupied, ProviderLimit, Queue, Wait, Waiting,
};

impl Reader {
    /// The waiting runs and the slots in use, out of one snapshot. What is not stored (draining, the disk) is for the
    /// caller to add.
    pub async fn queue_snapshot(&self) -> Result<Queue, StoreError> {
        self.ask("read the queue", |db| {
            let mut queue = Queue {
                waiting: waiting(db)?,
                occupied: occupied(db)?,
                ..Queue::default()
            };
            let limits = queue.waiting.iter().filter_map(|run| {
                let gate = run
                    .not_before
                    .as_ref()
                    .filter(|gate| gate.why == Wait::Limit)?;
                Some(ProviderLimit {
                    provider: run.provider.clone(),
                    until: gate.until,
                })
            });
            queue.limited = limits.collect();
            Ok(queue)
        })
        .await
    }

    /// The runs that hold a slot: their state is active, or a step of them is not known to be gone. Oldest first.
    pub async fn holding_slots(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.ask("read the runs that hold a slot", |db| {
            let sql = format!(
                "SELECT {} FROM runs WHERE number IN ({HOLDING}) ORDER BY number",
                rows::RUN
            );
            let mut select = db.prepare_cached(&sql)?;
            let mut found = select.query([])?;
            let mut runs = Vec::new();
            while let Some(row) = found.next()? {
                runs.push(rows::run(row)?);
            }
            Ok(runs)
        })
        .await
    }
}

/// The numbers of the runs that hold a slot.
const HOLDING: &str = "SELECT number FROM runs WHERE kind = 'active'
     UNION SELECT number FROM runs WHERE step_alive IS NOT NULL";

/// The waiting runs. Places come first: there is one for each run that has not ended, and none for history.
const WAITING: &str = "SELECT runs.id, places.queue_seq, runs.priority, runs.workspace_key, runs.provider, places.overtaken,
       runs.not_before IS NOT NULL, runs.facts -> '$.wait', runs.spec -> '$.after', runs.step_alive IS NOT NULL
     FROM places CROSS JOIN runs ON runs.id = places.run_id
     WHERE runs.kind = 'waiting' ORDER BY places.queue_seq";

fn waiting(db: &Connection) -> Result<Vec<Waiting>, Fault> {
    let mut select = db.prepare_cached(WAITING)?;
    let mut found = select.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = found.next()? {
        let id: String = row.get(0)?;
        let of = |what: &str| format!("the {what} of run {id}");
        let wait: Option<run::Wait> = match (row.get(6)?, row.get::<_, Option<String>>(7)?) {
            (false, _) => None,
            (true, Some(wait)) => codec::value(|| of("gate"), &wait)?,
            (true, None) => {
                return Err(Fault::unreadable(of("gate"), "there is none in the facts"));
            }
        };
        let after: String = row.get(8)?;
        let after: Vec<RunId> = codec::value(|| of("dependencies"), &after)?;
        waiting.push(Waiting {
            seq: nat(row.get(1)?),
            priority: row.get(2)?,
            workspace: row.get(3)?,
            provider: row.get(4)?,
            overtaken: row.get(5)?,
            not_before: wait.map(|it| NotBefore {
                until: it.until,
                why: why(it.why),
                message: it.message,
            }),
            after: after
                .into_iter()
                .map(|id| dependency(db, id))
                .collect::<Result<_, _>>()?,
            step_alive: row.get(9)?,
            id,
        });
    }
    Ok(waiting)
}

fn why(why: WaitWhy) -> Wait {
    match why {
        WaitWhy::Limit => Wait::Limit,
        WaitWhy::Disk => Wait::Disk,
        WaitWhy::ReadOnly => Wait::ReadOnly,
    }
}

fn dependency(db: &Connection, id: RunId) -> Result<Dependency, Fault> {
    let state: Option<String> = db
        .prepare_cached("SELECT state FROM runs WHERE id = ?1")?
        .query_row([&id.0], |row| row.get(0))
        .optional()?;
    let state: Option<State> = state
        .map(|name| {
            name.parse()
                .map_err(|e| Fault::unreadable(format!("the state of run {id}"), e))
        })
        .transpose()?;
    let state = match state {
        None => DependencyState::Unknown,
        Some(State::Completed) => DependencyState::Completed,
        Some(other) => match other.kind() {
            Kind::Ended => DependencyState::Failed,
            Kind::Waiting | Kind::Active | Kind::Held => DependencyState::Pending,
        },
    };
    Ok(Dependency { id: id.0, state })
}

fn occupied(db: &Connection) -> Result<Vec<Occupied>, Fault> {
    let sql = format!(
        "SELECT id, workspace_key, provider FROM runs WHERE number IN ({HOLDING}) ORDER BY number"
    );
    let mut select = db.prepare_cached(&sql)?;
    let found = select.query_map([], |row| {
        Ok(Occupied {
            id: row.get(0)?,
            workspace: row.get(1)?,
            provider: row.get(2)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Here and not in the suite: it looks at the very statements.
    #[test]
    fn no_question_of_the_engine_walks_through_history() {
        let dir = tempfile::tempdir().expect("a directory");
        let _handles = super::super::open(dir.path(), Default::default()).expect("opens");
        let db = Connection::open(super::super::file(dir.path())).expect("opens");
        let holding = format!(
            "SELECT {} FROM runs WHERE number IN ({HOLDING}) ORDER BY number",
            rows::RUN
        );
        let (timer, due) = (super::super::timers::NEXT, super::super::timers::due());
        for sql in [
            WAITING,
            &holding,
            timer,
            &due,
            super::super::outbox::PENDING,
        ] {
            let mut explain = db
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .expect("explains");
            let steps = explain
                .raw_query()
                .mapped(|row| row.get::<_, String>(3))
                .collect::<Result<Vec<_>, _>>();
            let small = [
                "places",
                "runs_active",
                "runs_with_step",
                "runs_with_timer",
                "effects_pending",
            ];
            for step in steps
                .expect("explains")
                .iter()
                .filter(|step| step.starts_with("SCAN"))
            {
                assert!(
                    small.iter().any(|index| step.contains(index)),
                    "{step} in {sql}"
                );
            }
        }
    }
}
