//! The columns of a run that are read out of its state, facts and spec, so that SQL can search and guard them. One
//! function makes them, for writing and for the check that they still fit.

use rusqlite::{Connection, Row, params};

use super::codec::{self, int};
use super::error::Fault;
use super::rows::StoredRun;
use crate::core::run::{self, Facts, Spec, State};

/// What stands beside the JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) kind: String,
    pub(super) generation: i64,
    pub(super) step_alive: Option<i64>,
    pub(super) provider: String,
    pub(super) not_before: Option<i64>,
    pub(super) due_at: Option<i64>,
    pub(super) verified_tree: Option<String>,
    pub(super) ended_at: Option<i64>,
    pub(super) name: String,
    pub(super) priority: i32,
    pub(super) workspace_key: String,
    pub(super) workspace_root: String,
}

impl Columns {
    /// Reads them out of what they stand for.
    pub(super) fn of(state: State, spec: &Spec, facts: &Facts) -> Self {
        Columns {
            kind: state.kind().as_str().to_owned(),
            generation: int(facts.generation),
            step_alive: facts.step.as_ref().map(|live| int(live.generation)),
            provider: facts.agent(&spec.agent).to_owned(),
            not_before: facts.wait.as_ref().map(|wait| wait.until.0),
            due_at: run::timer(state, facts).map(|(at, _)| at.0),
            verified_tree: facts.verified_tree.clone(),
            ended_at: facts.ended_at.map(|at| at.0),
            name: facts.name(spec).to_owned(),
            priority: spec.priority,
            workspace_key: spec.workspace_key.clone(),
            workspace_root: spec.workspace_root.clone(),
        }
    }

    /// The columns that [`Columns::read`] reads.
    pub(super) const NAMES: &str =
        "kind, generation, step_alive, provider, not_before, due_at, verified_tree,
         ended_at, name, priority, workspace_key, workspace_root";

    /// Reads them as they are stored.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Columns {
            kind: row.get(0)?,
            generation: row.get(1)?,
            step_alive: row.get(2)?,
            provider: row.get(3)?,
            not_before: row.get(4)?,
            due_at: row.get(5)?,
            verified_tree: row.get(6)?,
            ended_at: row.get(7)?,
            name: row.get(8)?,
            priority: row.get(9)?,
            workspace_key: row.get(10)?,
            workspace_root: row.get(11)?,
        })
    }
}

/// Writes a run that was just created, and returns its number.
pub(super) fn insert(tx: &Connection, run: &StoredRun) -> Result<i64, Fault> {
    let it = Columns::of(run.state, &run.spec, &run.facts);
    tx.prepare_cached(
        "INSERT INTO runs (id, name, state, kind, rev, epoch, generation, step_alive, provider, not_before, due_at,
           verified_tree, ended_at, priority, workspace_key, workspace_root, created_at, updated_at, spec, config, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    )?
    .execute(params![
        run.id.0,
        it.name,
        run.state.as_str(),
        it.kind,
        int(run.rev),
        int(run.epoch),
        it.generation,
        it.step_alive,
        it.provider,
        it.not_before,
        it.due_at,
        it.verified_tree,
        it.ended_at,
        it.priority,
        it.workspace_key,
        it.workspace_root,
        run.created_at.0,
        run.updated_at.0,
        codec::text("the spec", &run.spec)?,
        run.config,
        codec::text("the facts", &run.facts)?,
    ])?;
    Ok(tx.last_insert_rowid())
}
