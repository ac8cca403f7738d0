//! Creation: a run begins in the machine's initial state, with its journal, its place in the queue and its first public
//! event. A request that was sent twice under one idempotency key makes one run.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{self, nat};
use super::error::{Fault, StoreError};
use super::journal::{self, Entry};
use super::rows::{self, StoredEvent, StoredRun};
use super::{Writer, columns, events, guards, places};
use crate::core::run::{self, Facts, PublicEvent, RunId, Spec, State};
use crate::core::time::Time;

/// A run to create; validated before.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// A fresh id.
    pub id: RunId,
    /// What it is.
    pub spec: Spec,
    /// The whole configuration that it keeps, JSON.
    pub config: String,
    /// The first facts.
    pub facts: Facts,
    /// The time of creation.
    pub now: Time,
    /// The key of the request, where it has one.
    pub idempotency: Option<Idempotency>,
}

/// What makes a repeated request recognisable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Chosen by the client.
    pub key: String,
    /// A digest of the request: one key means one request.
    pub request_hash: String,
}

/// What became of a [`NewRun`].
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// The run, and what the world was told.
    New(Box<StoredRun>, Vec<StoredEvent>),
    /// The same request was served before: that run, as it stands now.
    Existing(Box<StoredRun>),
    /// The key belongs to a different request, which made this run. Nothing was stored.
    KeyTaken(RunId),
}

impl Writer {
    /// Creates a run, at the end of the queue.
    pub async fn create(&self, new: NewRun) -> Result<Created, StoreError> {
        self.ask("create a run", move |tx| create(tx, new)).await
    }
}

fn create(tx: &Connection, new: NewRun) -> Result<Created, Fault> {
    if let Some(asked) = &new.idempotency
        && let Some(before) = served(tx, asked)?
    {
        return Ok(before);
    }
    let NewRun {
        id,
        spec,
        config,
        facts,
        now,
        idempotency,
    } = new;
    let state = State::INITIAL;
    let told = [
        PublicEvent::RunCreated {
            name: spec.name.clone(),
        },
        PublicEvent::RunQueued {
            why: journal::CREATED.to_owned(),
        },
    ];
    Entry {
        machine: guards::RUN,
        entity: &id.0,
        rev: 1,
        at: now,
        event: journal::CREATED,
        data: codec::text("the first facts", &facts)?,
        from: None,
        to: state.as_str(),
        answer: None,
        version: run::VERSION,
    }
    .append(tx)?;
    let mut run = StoredRun {
        id,
        number: 0,
        state,
        rev: 1,
        epoch: 0,
        spec,
        config,
        facts,
        created_at: now,
        updated_at: now,
    };
    run.number = nat(columns::insert(tx, &run)?);
    places::settle(tx, &run)?;
    if let Some(asked) = &idempotency {
        tx.prepare_cached(
            "INSERT INTO idempotency (key, request_hash, run_id, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![asked.key, asked.request_hash, run.id.0, now.0])?;
    }
    let events = events::append(tx, &run.id, &told, now)?;
    Ok(Created::New(Box::new(run), events))
}

/// What the key was used for, if it was.
fn served(tx: &Connection, asked: &Idempotency) -> Result<Option<Created>, Fault> {
    let found: Option<(String, String)> = tx
        .prepare_cached("SELECT request_hash, run_id FROM idempotency WHERE key = ?1")?
        .query_row([&asked.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((hash, id)) = found else {
        return Ok(None);
    };
    let id = RunId(id);
    if hash != asked.request_hash {
        return Ok(Some(Created::KeyTaken(id)));
    }
    let run = rows::find_run(tx, &id)?.ok_or(StoreError::NoSuchRun(id.0))?;
    Ok(Some(Created::Existing(Box::new(run))))
}
