//! One run by what a person calls it: its id, a prefix or a suffix of it, or its name.

use rusqlite::{Connection, params};

use super::error::{Fault, StoreError};
use super::rows::{self, StoredRun};
use super::{Reader, codec};
use crate::core::run::RunId;

/// How many candidates are named when there are several.
const CANDIDATES: i64 = 10;

/// What a reference means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Exactly this run.
    One(RunId),
    /// No run.
    None,
    /// Several: up to ten of them with their names, the newest first.
    Ambiguous(Vec<(RunId, String)>),
}

impl Reader {
    /// The run of exactly that id.
    pub async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let id = id.clone();
        self.ask("read a run", move |db| rows::find_run(db, &id))
            .await
    }

    /// The request that was served under this idempotency key: its digest, and the run that it made.
    pub async fn served(&self, key: &str) -> Result<Option<(String, RunId)>, StoreError> {
        let key = key.to_owned();
        self.ask("look up an idempotency key", move |db| {
            let mut select =
                db.prepare_cached("SELECT request_hash, run_id FROM idempotency WHERE key = ?1")?;
            let mut rows = select.query_map([&key], |row| Ok((row.get(0)?, RunId(row.get(1)?))))?;
            Ok(rows.next().transpose()?)
        })
        .await
    }

    /// The run that `reference` means: a whole id before anything else, then the only run of that name, then
    /// whatever has it as its name, as a prefix or a suffix of its id, or as a prefix of the tail (eight letters) that lists
    /// show. Letters of an id may be of either case; those of a name may not.
    pub async fn find(&self, reference: &str) -> Result<Found, StoreError> {
        let reference = reference.to_owned();
        self.ask("find a run", move |db| find(db, &reference)).await
    }
}

fn find(db: &Connection, reference: &str) -> Result<Found, Fault> {
    if reference.is_empty() {
        return Ok(Found::None);
    }
    let part = reference.to_ascii_lowercase();
    if rows::any(db, "SELECT 1 FROM runs WHERE id = ?1", &part)? {
        return Ok(Found::One(RunId(part)));
    }
    // A name as it is goes before parts of ids: what somebody named must not be hidden by the digits of another run.
    let mut named = db.prepare_cached("SELECT id FROM runs WHERE name = ?1 LIMIT 2")?;
    let rows = named.query_map([reference], |row| Ok(RunId(row.get(0)?)))?;
    let mut named: Vec<RunId> = rows.collect::<Result<_, _>>()?;
    if let (Some(only), true) = (named.pop(), named.is_empty()) {
        // But the eight letters that a list shows for another run mean both.
        let shown = part.len() == 8
            && db
                .prepare_cached("SELECT 1 FROM runs WHERE substr(id, -8) = ?1 AND id <> ?2")?
                .exists([&part, &only.0])?;
        if !shown {
            return Ok(Found::One(only));
        }
    }
    // No LIKE: a reference is not a pattern.
    let mut select = db.prepare_cached(
        "SELECT id, name FROM runs
         WHERE name = ?1 OR substr(id, 1, ?3) = ?2 OR substr(id, -?3) = ?2 OR substr(id, -8, ?3) = ?2
         ORDER BY number DESC LIMIT ?4",
    )?;
    let length = codec::int(part.chars().count() as u64);
    let rows = select.query_map(params![reference, part, length, CANDIDATES], |row| {
        Ok((RunId(row.get(0)?), row.get(1)?))
    })?;
    let mut found: Vec<(RunId, String)> = rows.collect::<Result<_, _>>()?;
    Ok(match (found.pop(), found.is_empty()) {
        (None, _) => Found::None,
        (Some((only, _)), true) => Found::One(only),
        (Some(last), false) => {
            found.push(last);
            Found::Ambiguous(found)
        }
    })
}
