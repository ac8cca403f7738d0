//! The store: SQLite, and the only room that knows SQL. [`Writer::apply`] is the only way in which a run changes,
//! [`Writer::hand_over`] the only one for what a person does with it after its end.
//!
//! | word | meaning |
//! |---|---|
//! | *event* | what happened; the machine of the run answers it ([`Apply`], [`Answer`]) |
//! | *journal* | every write to a run or a step, with what is needed to do it again ([`Reader::replay`]) |
//! | *effect* | what has to be performed because of a move; stored with it, performed later ([`StoredEffect`]) |
//! | *public event* | what the world is told of a move, numbered without a gap ([`StoredEvent`]) |
//! | *handover* | what a person does with an ended run; moved by its own machine ([`Writer::hand_over`]) |
//! | *place* | where a run that has not ended stands in the queue |
//!
//! One [`Writer`] thread owns the only connection that can write; a [`Reader`] lends read-only connections. Not here:
//! what an event means (the machines), who is started next (the scheduler), and how an effect is performed. There is no
//! trait over the two handles until there is a second backend. Nothing is deleted: history is small, and `gc` is about
//! branches and directories.

mod answered;
mod apply;
mod cleaning;
mod codec;
mod columns;
mod create;
mod error;
mod events;
mod files;
mod find;
mod fold;
mod guards;
mod handed;
mod handovers;
mod journal;
mod list;
mod look;
mod lost;
mod open;
mod outbox;
mod places;
mod queue;
mod reader;
mod replay;
mod rows;
mod steps;
mod timers;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::crash::Crash;

pub(crate) use answered::answered;
pub use apply::{Answer, Applied, Apply, Expect, Move};
pub use create::{Created, Idempotency, NewRun};
pub use error::StoreError;
pub use files::{Artifact, MergeIntent};
pub use find::Found;
pub use fold::Violation;
pub use handed::{HandOver, HandedOver, HandoverAnswer, HandoverEffect, HandoverMove};
pub use list::{Filter, Page};
pub use open::{FILE_NAME, file};
pub use outbox::EffectDone;
pub use reader::Reader;
pub use rows::{EffectId, StoredEffect, StoredEvent, StoredHandover, StoredRun, StoredStep};
pub use steps::{StepApplied, StepReport};
pub use writer::Writer;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for a lock that another process holds before [`StoreError::Busy`].
    pub busy_timeout: Duration,
    /// Where to die, in a test of deaths.
    pub crash: Crash,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            busy_timeout: Duration::from_secs(5),
            crash: Crash::default(),
        }
    }
}

/// Whether there is a database in `dir`.
///
/// # Errors
/// [`StoreError::Lost`] when there was one.
pub fn is_there(dir: &Path) -> Result<bool, StoreError> {
    let path = file(dir);
    lost::file_is_kept(dir, &path)?;
    Ok(path.exists())
}

/// Opens the database in `dir` for looking only: nothing of it is changed, also while a daemon uses it. The log of a
/// killed daemon is read and stays; what SQLite makes beside a database that was closed in order goes with the reader.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::Foreign`] and [`StoreError::Lost`]; else what the system or SQLite says.
pub fn open_reading(dir: &Path, options: Options) -> Result<Reader, StoreError> {
    let (path, busy) = (file(dir), options.busy_timeout);
    lost::file_is_kept(dir, &path)?;
    let looked = look::before_reading(dir, &path, busy);
    let last = looked.map_err(|fault| fault.tell(&path, "look at"))?;
    Reader::start(path.into(), busy, Some(last))
}

/// Opens the database in `dir`, makes it where it is missing, brings it up to date and lays the guards.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::Foreign`], [`StoreError::Damaged`] and [`StoreError::Lost`] before anything is
/// written; else what the system or SQLite says.
pub fn open(dir: &Path, options: Options) -> Result<(Writer, Reader), StoreError> {
    let conn = open::writing(dir, options.busy_timeout)?;
    let path: Arc<Path> = file(dir).into();
    let writer = Writer::start(conn, Arc::clone(&path), options.crash)?;
    let reader = Reader::start(path, options.busy_timeout, None)?;
    Ok((writer, reader))
}
