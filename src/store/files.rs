//! What is recorded of a run's files, and the intent of a merge. None of it is part of a state: a lost row loses no run.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{int, nat};
use super::error::{Fault, StoreError};
use super::{Reader, Writer};
use crate::core::run::RunId;
use crate::core::time::Time;

/// A file of a run that is worth knowing of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Whose it is.
    pub run_id: RunId,
    /// What it is: `prompt`, `log`, `report`, …
    pub kind: String,
    /// Which copy: `global` or `workspace`.
    pub location: String,
    /// The absolute path.
    pub path: String,
    /// SHA-256 of the content, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was recorded.
    pub created_at: Time,
}

/// What a merge is about to do; the effect room gives the JSON its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeIntent {
    /// Whose merge it is.
    pub run_id: RunId,
    /// The generation of the merge step; 0 of a person's merge of an ended run.
    pub generation: u64,
    /// JSON.
    pub intent: String,
}

impl Writer {
    /// Records a file, or its new content when the path is known already.
    pub async fn record_artifact(&self, artifact: Artifact) -> Result<(), StoreError> {
        self.ask("record an artifact", move |tx| record(tx, &artifact))
            .await
    }

    /// Stores what a merge is about to do, before it does it. Replaces an older intent of the run.
    pub async fn save_intent(&self, intent: MergeIntent) -> Result<(), StoreError> {
        self.ask("store a merge intent", move |tx| {
            tx.prepare_cached(
                "INSERT INTO merge_intents (run_id, generation, intent) VALUES (?1, ?2, ?3)
                 ON CONFLICT (run_id) DO UPDATE SET generation = excluded.generation, intent = excluded.intent",
            )?
            .execute(params![intent.run_id.0, int(intent.generation), intent.intent])?;
            Ok(())
        })
        .await
    }
}

impl Reader {
    /// The last merge intent of the run, if there is any.
    pub async fn load_intent(&self, run: &RunId) -> Result<Option<MergeIntent>, StoreError> {
        let run = run.clone();
        self.ask("read a merge intent", move |db| {
            let mut select = db
                .prepare_cached("SELECT generation, intent FROM merge_intents WHERE run_id = ?1")?;
            let found = select
                .query_row([&run.0], |row| {
                    Ok(MergeIntent {
                        run_id: run.clone(),
                        generation: nat(row.get(0)?),
                        intent: row.get(1)?,
                    })
                })
                .optional()?;
            Ok(found)
        })
        .await
    }

    /// The recorded files of a run, oldest first.
    pub async fn artifacts(&self, run: &RunId) -> Result<Vec<Artifact>, StoreError> {
        let run = run.clone();
        self.ask("list artifacts", move |db| {
            let mut select = db.prepare_cached(
                "SELECT kind, location, path, sha256, bytes, created_at FROM artifacts
                 WHERE run_id = ?1 ORDER BY created_at, path, location",
            )?;
            let rows = select.query_map([&run.0], |row| {
                Ok(Artifact {
                    run_id: run.clone(),
                    kind: row.get(0)?,
                    location: row.get(1)?,
                    path: row.get(2)?,
                    sha256: row.get(3)?,
                    bytes: nat(row.get(4)?),
                    created_at: Time(row.get(5)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Records one file inside of a larger transaction.
pub(super) fn record(tx: &Connection, artifact: &Artifact) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO artifacts (run_id, kind, location, path, sha256, bytes, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (run_id, location, path) DO UPDATE SET
           kind = excluded.kind, sha256 = excluded.sha256, bytes = excluded.bytes, created_at = excluded.created_at",
    )?
    .execute(params![
        artifact.run_id.0,
        artifact.kind,
        artifact.location,
        artifact.path,
        artifact.sha256,
        int(artifact.bytes),
        artifact.created_at.0,
    ])?;
    Ok(())
}
