//! Rows as the rest of the house sees them: a run, a step, an effect to perform, a public event.
//! How each is read out of its table stands here, too; every query selects the columns of these lists in their order.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::codec::{self, nat};
use super::error::Fault;
use crate::core::handover;
use crate::core::run::{Effect, Facts, RunId, Spec, State, StepId};
use crate::core::step::{self, StepFacts};
use crate::core::time::Time;

/// A run as it is stored: what it is, where it stands, and everything known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its id.
    pub id: RunId,
    /// Creation order, from 1, without reuse. Lists are sorted by this, never by the id.
    pub number: u64,
    /// Where it stands.
    pub state: State,
    /// Rises by one with every write, from 1.
    pub rev: u64,
    /// The lease that wrote last. There is one writer: 0.
    pub epoch: u64,
    /// What it was created with.
    pub spec: Spec,
    /// The whole configuration that it was created with, JSON.
    pub config: String,
    /// Everything known of it besides its state.
    pub facts: Facts,
    /// When it was created.
    pub created_at: Time,
    /// When it was last written.
    pub updated_at: Time,
}

impl StoredRun {
    /// Its name, as it stands now.
    pub fn name(&self) -> &str {
        self.facts.name(&self.spec)
    }
}

/// One try of one phase, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStep {
    /// `<run id>.<generation>`.
    pub id: StepId,
    /// Whose it is.
    pub run_id: RunId,
    /// The generation of the run that it began with.
    pub generation: u64,
    /// implementation, review, verification, watchdog or merge.
    pub phase: String,
    /// Where it stands.
    pub state: step::State,
    /// Rises by one with every write, from 1.
    pub rev: u64,
    /// Which try of its phase it is, from 1.
    pub attempt: u32,
    /// The iteration that it belongs to, from 1.
    pub iteration: u32,
    /// The file with what the agent was told, as soon as there is one.
    pub prompt_path: Option<String>,
    /// The file with what the process wrote, as soon as there is one.
    pub output_path: Option<String>,
    /// Start, end, exit code, message.
    pub facts: StepFacts,
}

/// Which row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub i64);

/// Something that has to be performed; its inputs are read from the stored run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEffect {
    /// Its row. Effects of a run are performed in this order, one at a time.
    pub id: EffectId,
    /// For which run.
    pub run_id: RunId,
    /// The run's generation when it was asked for; reports about it carry this.
    pub generation: u64,
    /// The step that it begins or stops.
    pub step_id: Option<StepId>,
    /// What to do.
    pub effect: Effect,
    /// When it was asked for.
    pub created_at: Time,
}

/// The handover of an ended run, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredHandover {
    /// Of which run.
    pub run_id: RunId,
    /// Where it stands.
    pub state: handover::State,
    /// Rises by one with every write, from 1.
    pub rev: u64,
    /// Merged commit, pull request, and what was in the way.
    pub facts: handover::Facts,
}

/// Something the world was told.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its number: rises by one, over all runs.
    pub seq: u64,
    /// About which run.
    pub run_id: RunId,
    /// When it happened.
    pub at: Time,
    /// Its type, for example `RUN_STARTED`.
    pub kind: String,
    /// Its payload, a JSON object.
    pub payload: serde_json::Value,
}

/// The columns that [`run`] reads.
pub(super) const RUN: &str = "runs.id, runs.number, runs.state, runs.rev, runs.epoch, runs.spec, runs.config, runs.facts, runs.created_at, runs.updated_at";

/// Reads a row of [`RUN`].
pub(super) fn run(row: &Row<'_>) -> Result<StoredRun, Fault> {
    let id: String = row.get(0)?;
    let of = |what: &str| format!("the {what} of run {id}");
    Ok(StoredRun {
        number: nat(row.get(1)?),
        state: state(
            &of("state"),
            row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        rev: nat(row.get(3)?),
        epoch: nat(row.get(4)?),
        spec: codec::value(
            || of("spec"),
            row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        config: row.get(6)?,
        facts: codec::value(
            || of("facts"),
            row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        created_at: Time(row.get(8)?),
        updated_at: Time(row.get(9)?),
        id: RunId(id),
    })
}

/// The run of that id.
pub(super) fn find_run(db: &Connection, id: &RunId) -> Result<Option<StoredRun>, Fault> {
    let mut select = db.prepare_cached(&format!("SELECT {RUN} FROM runs WHERE id = ?1"))?;
    let mut rows = select.query([&id.0])?;
    rows.next()?.map(run).transpose()
}

/// The columns that [`step`] reads.
pub(super) const STEP: &str = "id, run_id, generation, phase, state, rev, attempt, iteration, prompt_path, output_path, facts";

/// Reads a row of [`STEP`].
pub(super) fn step(row: &Row<'_>) -> Result<StoredStep, Fault> {
    let id: String = row.get(0)?;
    let of = |what: &str| format!("the {what} of step {id}");
    Ok(StoredStep {
        run_id: RunId(row.get(1)?),
        generation: nat(row.get(2)?),
        phase: row.get(3)?,
        state: state(
            &of("state"),
            row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        rev: nat(row.get(5)?),
        attempt: row.get(6)?,
        iteration: row.get(7)?,
        prompt_path: row.get(8)?,
        output_path: row.get(9)?,
        facts: codec::value(
            || of("facts"),
            row.get_ref(10)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        id: StepId(id),
    })
}

/// The step of that id.
pub(super) fn find_step(db: &Connection, id: &StepId) -> Result<Option<StoredStep>, Fault> {
    let mut select = db.prepare_cached(&format!("SELECT {STEP} FROM steps WHERE id = ?1"))?;
    let mut rows = select.query([&id.0])?;
    rows.next()?.map(step).transpose()
}

/// The columns that [`handover`] reads.
const HANDOVER: &str = "handovers.id, handovers.state, handovers.rev, handovers.facts";

/// Reads a row of [`HANDOVER`].
fn handover(row: &Row<'_>) -> Result<StoredHandover, Fault> {
    let id: String = row.get(0)?;
    let of = |what: &str| format!("the {what} of the handover of run {id}");
    Ok(StoredHandover {
        state: state(
            &of("state"),
            row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        rev: nat(row.get(2)?),
        facts: codec::value(
            || of("facts"),
            row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        run_id: RunId(id),
    })
}

/// The handover of that run; `None` before its first end.
pub(super) fn find_handover(db: &Connection, id: &RunId) -> Result<Option<StoredHandover>, Fault> {
    let sql = format!("SELECT {HANDOVER} FROM handovers WHERE id = ?1");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query([&id.0])?;
    rows.next()?.map(handover).transpose()
}

/// The handovers of those of these runs that have one.
pub(super) fn handovers(db: &Connection, ids: &[&RunId]) -> Result<Vec<StoredHandover>, Fault> {
    let ids = codec::text("the ids of runs", &ids)?;
    let sql =
        format!("SELECT {HANDOVER} FROM handovers WHERE id IN (SELECT value FROM json_each(?1))");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query([ids])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(handover(row)?);
    }
    Ok(found)
}

/// Whether the query finds anything.
pub(super) fn any(db: &Connection, sql: &str, param: &str) -> Result<bool, Fault> {
    Ok(db
        .prepare_cached(sql)?
        .query_row([param], |_| Ok(()))
        .optional()?
        .is_some())
}

fn state<S: std::str::FromStr<Err = crate::core::machine::UnknownName>>(
    what: &str,
    name: &str,
) -> Result<S, Fault> {
    name.parse()
        .map_err(|unknown| Fault::unreadable(what, unknown))
}
