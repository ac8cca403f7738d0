//! What the engine looks at before it acts: the snapshot for the scheduler, the runs that hold a slot, the stored
//! timers. Everything here is found through indexes that hold only runs that have not ended or still have a step, so
//! that its cost grows with them and not with history.

use rusqlite::{Connection, OptionalExtension as _};
use serde::Deserialize;

use super::Reader;
use super::codec::{self, nat};
use super::error::{Fault, StoreError};
use super::rows::{self, StoredRun};
use crate::core::machine::Kind;
use crate::core::run::{self, Event, RunId, State, WaitWhy};
use crate::core::schedule::{
    Dependency, DependencyState, NotBefore, Occupied, ProviderLimit, Queue, Wait, Waiting,
};
use crate::core::time::Time;

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

    /// When the next stored timer is due; `None` when there is none.
    pub async fn next_timer(&self) -> Result<Option<Time>, StoreError> {
        self.ask("read the next timer", |db| {
            let next: Option<i64> = db
                .prepare_cached("SELECT min(due_at) FROM runs WHERE due_at IS NOT NULL")?
                .query_row([], |row| row.get(0))?;
            Ok(next.map(Time))
        })
        .await
    }

    /// The runs whose timer is due, with the event that it fires; the longest due first.
    pub async fn due(&self, now: Time) -> Result<Vec<(RunId, Event)>, StoreError> {
        self.ask("read the timers that are due", move |db| {
            let sql = format!(
                "SELECT {} FROM runs WHERE due_at <= ?1 ORDER BY due_at, number",
                rows::RUN
            );
            let mut select = db.prepare_cached(&sql)?;
            let mut found = select.query([now.0])?;
            let mut due = Vec::new();
            while let Some(row) = found.next()? {
                let it = rows::run(row)?;
                due.extend(run::timer(it.state, &it.facts).map(|(_, event)| (it.id, event)));
            }
            Ok(due)
        })
        .await
    }
}

/// The numbers of the runs that hold a slot.
const HOLDING: &str = "SELECT number FROM runs WHERE kind = 'active'
     UNION SELECT number FROM runs WHERE step_alive IS NOT NULL";

/// What is read of [`run::Facts`] and [`run::Spec`] by name; a test compares it with what they write.
#[derive(Deserialize)]
struct StoredWait {
    until: Time,
    why: WaitWhy,
    message: String,
}

fn waiting(db: &Connection) -> Result<Vec<Waiting>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT runs.id, places.queue_seq, runs.priority, runs.workspace_key, runs.provider, places.overtaken,
           CASE WHEN runs.not_before IS NOT NULL THEN runs.facts -> '$.wait' END,
           runs.spec -> '$.after', runs.step_alive IS NOT NULL
         FROM places CROSS JOIN runs ON runs.id = places.run_id
         WHERE runs.kind = 'waiting' ORDER BY places.queue_seq",
    )?;
    let mut found = select.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = found.next()? {
        let id: String = row.get(0)?;
        let of = |what: &str| format!("the {what} of run {id}");
        let wait: Option<String> = row.get(6)?;
        let wait: Option<StoredWait> = wait
            .map(|text| codec::value(|| of("wait"), &text))
            .transpose()?;
        let after: String = row.get(7)?;
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
            step_alive: row.get(8)?,
            id,
        });
    }
    Ok(waiting)
}

fn why(why: WaitWhy) -> Wait {
    match why {
        WaitWhy::Limit => Wait::Limit,
        WaitWhy::Disk => Wait::Disk,
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
