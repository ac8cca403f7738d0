//! What the world is told: appended with the move that it is about, read in pages by number. A page is short and holds
//! no cursor, so a client that reads slowly costs nothing.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::codec::{self, int, nat};
use super::error::{Fault, StoreError};
use super::rows::{self, StoredEvent};
use super::{Reader, Writer};
use crate::core::run::{PublicEvent, RunId};
use crate::core::time::Time;

impl Writer {
    /// Tells the world something that belongs to no move, for example which gates hold a queued run.
    pub async fn publish(
        &self,
        run: &RunId,
        told: Vec<PublicEvent>,
        now: Time,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let run = run.clone();
        self.ask("store public events", move |tx| {
            if !rows::any(tx, "SELECT 1 FROM runs WHERE id = ?1", &run.0)? {
                return Err(StoreError::NoSuchRun(run.0).into());
            }
            append(tx, &run, &told, now)
        })
        .await
    }
}

/// A page of all events.
pub(super) const OF_ALL: &str = "SELECT seq, run_id, at, type, payload FROM events
     WHERE seq > ?1 ORDER BY seq LIMIT ?2";
/// A page of those of one run.
pub(super) const OF_RUN: &str = "SELECT seq, run_id, at, type, payload FROM events
     WHERE seq > ?1 AND run_id = ?3 ORDER BY seq LIMIT ?2";

impl Reader {
    /// Up to `limit` events with numbers above `after`, of one run or of all, in their order. An empty page means that
    /// there are no more yet.
    pub async fn events(
        &self,
        run: Option<&RunId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let run = run.cloned();
        self.ask("read public events", move |db| {
            let mut select = db.prepare_cached(match run {
                Some(_) => OF_RUN,
                None => OF_ALL,
            })?;
            let mut found = match &run {
                Some(run) => select.query(params![int(after), limit, run.0])?,
                None => select.query(params![int(after), limit])?,
            };
            let mut page = Vec::new();
            while let Some(row) = found.next()? {
                let seq = nat(row.get(0)?);
                let payload: String = row.get(4)?;
                page.push(StoredEvent {
                    seq,
                    run_id: RunId(row.get(1)?),
                    at: Time(row.get(2)?),
                    kind: row.get(3)?,
                    payload: codec::value(|| format!("the payload of event {seq}"), &payload)?,
                });
            }
            Ok(page)
        })
        .await
    }

    /// The number of the last event; 0 when there is none. For clients that want only what is still to come.
    pub async fn last_event(&self) -> Result<u64, StoreError> {
        self.ask("read the last event", |db| {
            let last: Option<i64> = db
                .prepare_cached("SELECT max(seq) FROM events")?
                .query_row([], |row| row.get(0))?;
            Ok(last.map_or(0, nat))
        })
        .await
    }
}

/// Appends events inside of a larger transaction.
pub(super) fn append(
    tx: &Connection,
    run: &RunId,
    told: &[PublicEvent],
    now: Time,
) -> Result<Vec<StoredEvent>, Fault> {
    let mut insert = tx
        .prepare_cached("INSERT INTO events (run_id, at, type, payload) VALUES (?1, ?2, ?3, ?4)")?;
    let mut stored = Vec::with_capacity(told.len());
    for event in told {
        let kind = event.type_name().to_owned();
        let unwritable = |e: serde_json::Error| Fault::unreadable(format!("event {kind}"), e);
        let payload = match serde_json::to_value(event).map_err(unwritable)? {
            Value::Object(mut tagged) => tagged
                .remove("payload")
                .unwrap_or_else(|| Value::Object(Default::default())),
            other => other,
        };
        insert.execute(params![run.0, now.0, kind, payload.to_string()])?;
        let seq = nat(tx.last_insert_rowid());
        stored.push(StoredEvent {
            seq,
            run_id: run.clone(),
            at: now,
            kind,
            payload,
        });
    }
    Ok(stored)
}
