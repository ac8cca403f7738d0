//! Lays what the database knows of the machines: the generated lookup rows and triggers, and a record of the edges that
//! this version of each table declares. Runs at each start, inside the transaction of the migrations.

use rusqlite::{Connection, params};

use super::error::Fault;
use crate::core::{handover, run, step};

/// The machine's name of runs, in the journal.
pub(super) const RUN: &str = "run";
/// The machine's name of steps, in the journal.
pub(super) const STEP: &str = "step";
/// The machine's name of handovers, in the journal.
pub(super) const HANDOVER: &str = "handover";

/// Everything anew; what older versions declared stays recorded.
pub(super) fn lay(tx: &Connection) -> Result<(), Fault> {
    tx.execute_batch(run::SQL)?;
    tx.execute_batch(step::SQL)?;
    tx.execute_batch(handover::SQL)?;
    let mut declare = tx.prepare(
        "INSERT OR IGNORE INTO declared_edges (machine, version, from_state, event, answer, to_state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for edge in run::EDGES {
        let (from, event, to) = (edge.from.as_str(), edge.event.as_str(), edge.to.as_str());
        declare.execute(params![RUN, run::VERSION, from, event, edge.answer, to])?;
    }
    for edge in step::EDGES {
        let (from, event, to) = (edge.from.as_str(), edge.event.as_str(), edge.to.as_str());
        declare.execute(params![STEP, step::VERSION, from, event, edge.answer, to])?;
    }
    for edge in handover::EDGES {
        let (from, event, to) = (edge.from.as_str(), edge.event.as_str(), edge.to.as_str());
        let version = handover::VERSION;
        declare.execute(params![HANDOVER, version, from, event, edge.answer, to])?;
    }
    Ok(())
}
