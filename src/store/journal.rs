//! The journal: one row for each write to a run or a step, with everything that is needed to do it again. A row is
//! written before the row that it is about, because the guards look for it.

use rusqlite::{Connection, params};

use super::codec::{int, nat};
use super::error::Fault;
use crate::core::time::Time;

/// The event of rev 1: nothing was there before, and `data` holds the first facts.
pub(super) const CREATED: &str = "created";

/// A row to write.
pub(super) struct Entry<'a> {
    pub(super) machine: &'static str,
    pub(super) entity: &'a str,
    /// The rev *after* the write.
    pub(super) rev: u64,
    pub(super) at: Time,
    pub(super) event: &'a str,
    /// JSON: the event with its data, or the first facts.
    pub(super) data: String,
    pub(super) from: Option<&'static str>,
    pub(super) to: &'static str,
    pub(super) answer: Option<&'static str>,
    /// The version of the table.
    pub(super) version: u32,
}

impl Entry<'_> {
    /// Appends the row.
    pub(super) fn append(&self, tx: &Connection) -> Result<(), Fault> {
        tx.prepare_cached(
            "INSERT INTO journal (machine, entity, rev, at, event, data, from_state, to_state, answer, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            self.machine,
            self.entity,
            int(self.rev),
            self.at.0,
            self.event,
            self.data,
            self.from,
            self.to,
            self.answer,
            self.version,
        ])?;
        Ok(())
    }
}

/// A row as it was written, read back for replay.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) rev: u64,
    pub(super) at: Time,
    pub(super) event: String,
    pub(super) data: String,
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) answer: Option<String>,
    pub(super) version: u32,
    /// Whether the table of the row's own version declared the edge; true for a creation.
    pub(super) declared: bool,
}

/// Every row about one entity, oldest first.
pub(super) fn of(db: &Connection, machine: &str, entity: &str) -> Result<Vec<Recorded>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT rev, at, event, data, from_state, to_state, answer, version,
           from_state IS NULL OR EXISTS (
             SELECT 1 FROM declared_edges AS e
             WHERE e.machine = j.machine AND e.version = j.version AND e.from_state = j.from_state
               AND e.event = j.event AND e.answer IS j.answer AND e.to_state = j.to_state)
         FROM journal AS j WHERE machine = ?1 AND entity = ?2 ORDER BY rev",
    )?;
    let rows = select.query_map([machine, entity], |row| {
        Ok(Recorded {
            rev: nat(row.get(0)?),
            at: Time(row.get(1)?),
            event: row.get(2)?,
            data: row.get(3)?,
            from: row.get(4)?,
            to: row.get(5)?,
            answer: row.get(6)?,
            version: row.get(7)?,
            declared: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
