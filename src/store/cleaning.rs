//! Questions of the clean-up: which runs have worktrees, whose a path is, which repositories there ever were. They walk
//! through history, and are asked by people and once a day, never by the engine.

use rusqlite::{Connection, OptionalExtension as _, ToSql};

use super::Reader;
use super::error::{Fault, StoreError};
use super::rows::{self, EffectId, StoredRun};
use crate::core::run::RunId;
use crate::core::time::Time;

/// Runs with a worktree that is not known to be gone.
const WITH_WORKTREES: &str =
    "(json_type(facts, '$.worktree') = 'object' AND NOT json_extract(facts, '$.worktree_removed'))
     OR json_array_length(facts, '$.abandoned') > 0";

/// Runs that have or had a worktree at a path.
const OF_WORKTREE: &str = "json_extract(facts, '$.worktree.path') = ?1
     OR EXISTS (SELECT 1 FROM json_each(facts, '$.abandoned') AS it WHERE it.value ->> '$.path' = ?1)
     OR EXISTS (SELECT 1 FROM json_each(facts, '$.emptied') AS it WHERE it.value ->> '$.path' = ?1)";

impl Reader {
    /// The runs with a worktree that is not known to be gone, oldest first.
    pub async fn with_worktrees(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.ask("read the worktrees", |db| {
            runs(db, &format!("{WITH_WORKTREES} ORDER BY number"), &[])
        })
        .await
    }

    /// The runs that have or had a worktree at exactly this path, the newest first.
    pub async fn of_worktree(&self, path: &str) -> Result<Vec<StoredRun>, StoreError> {
        let path = path.to_owned();
        self.ask("read whose a worktree is", move |db| {
            runs(db, &format!("{OF_WORKTREE} ORDER BY number DESC"), &[&path])
        })
        .await
    }

    /// The canonical git common directories of all repositories that a run was ever created for.
    pub async fn workspaces(&self) -> Result<Vec<String>, StoreError> {
        self.ask("read the repositories", |db| {
            let mut select = db
                .prepare_cached("SELECT DISTINCT workspace_key FROM runs ORDER BY workspace_key")?;
            let keys = select.query_map([], |row| row.get(0))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The runs that ended before `end` and of which something may be left, the longest ended first.
    pub async fn collectable(&self, end: Time) -> Result<Vec<RunId>, StoreError> {
        self.ask("read which runs ended long ago", move |db| {
            let mut select = db.prepare_cached(
                "SELECT id FROM runs WHERE kind = 'ended' AND ended_at < ?1
                   AND json_extract(facts, '$.nothing_left') IS NOT 1 ORDER BY ended_at, number",
            )?;
            let ids = select.query_map([end.0], |row| Ok(RunId(row.get(0)?)))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Whether an effect is still to be performed or reported.
    pub async fn is_pending(&self, effect: EffectId) -> Result<bool, StoreError> {
        self.ask("read an effect", move |db| {
            let found = db
                .prepare_cached("SELECT 1 FROM effects WHERE id = ?1 AND state = 'pending'")?
                .query_row([effect.0], |_| Ok(()))
                .optional()?;
            Ok(found.is_some())
        })
        .await
    }
}

fn runs(db: &Connection, terms: &str, values: &[&dyn ToSql]) -> Result<Vec<StoredRun>, Fault> {
    let sql = format!("SELECT {} FROM runs WHERE {terms}", rows::RUN);
    let mut select = db.prepare_cached(&sql)?;
    let mut found = select.query(values)?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        runs.push(rows::run(row)?);
    }
    Ok(runs)
}
