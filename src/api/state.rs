//! What the handlers stand on: the engine's handle, the creator and the store's reader; never the store's writer.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::limits::Limits;
use super::stream::{Recent, Watcher};
use super::token::Token;
use crate::core::run::RunId;
use crate::core::schedule::Policy;
use crate::core::time::Time;
use crate::daemon::{Cleaner, Creator, Handle, Metrics};
use crate::store::{Found, Reader, StoredHandover, StoredRun};

/// What the API needs of the daemon.
#[derive(Clone)]
pub struct ApiState {
    /// Takes what people ask for.
    pub engine: Handle,
    /// Checks and creates runs.
    pub creator: Creator,
    /// Shows and removes what runs leave behind.
    pub cleaner: Cleaner,
    /// Answers every question.
    pub reader: Reader,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The rules of the queue, to be shown.
    pub policy: Policy,
    /// What every request but `GET /health` has to carry.
    pub token: Token,
    /// Names besides loopback that a request's `Host` may carry.
    pub allowed_hosts: Vec<String>,
    /// Whether this machine tells who is at the other end of a TCP connection. Where it does not, a command of somebody
    /// unknown is taken.
    pub callers_are_told_apart: bool,
    /// The data directory, absolute: the output of steps is below it.
    pub data_dir: PathBuf,
    /// The wall clock.
    pub now: fn() -> Time,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

/// The state as the handlers share it.
pub(super) type Shared = Arc<App>;

/// [`ApiState`], and what the API keeps for itself.
pub(super) struct App {
    pub state: ApiState,
    /// The OpenAPI document.
    pub document: Bytes,
    /// Notices what is written to the files of steps.
    pub watcher: Arc<Watcher>,
    /// The newest events, for all who listen.
    pub recent: Recent,
    streams: Arc<Semaphore>,
    most_streams: usize,
}

impl App {
    pub(super) fn new(state: ApiState, document: Bytes) -> Shared {
        let watcher = Arc::new(Watcher::new(state.shutdown.clone()));
        let recent = Recent::new(state.reader.clone(), state.engine.told());
        let most_streams = Limits::of_this_process().streams;
        let streams = Arc::new(Semaphore::new(most_streams));
        Arc::new(App {
            state,
            document,
            watcher,
            recent,
            streams,
            most_streams,
        })
    }

    /// The run that a person means.
    pub(super) async fn find(&self, reference: &str) -> Result<StoredRun, ApiError> {
        match self.state.reader.find(reference).await? {
            Found::One(id) => self.run(&id).await,
            Found::None => Err(ApiError::no_run(reference)),
            Found::Ambiguous(runs) => Err(ApiError::ambiguous(reference, &runs)),
        }
    }

    /// The run of exactly that id.
    pub(super) async fn run(&self, id: &RunId) -> Result<StoredRun, ApiError> {
        let run = self.state.reader.run(id).await?;
        run.ok_or_else(|| ApiError::no_run(&id.0))
    }

    /// The run of exactly that id, and what a person has done with it.
    pub(super) async fn with_handover(
        &self,
        id: &RunId,
    ) -> Result<(StoredRun, Option<StoredHandover>), ApiError> {
        Ok((self.run(id).await?, self.state.reader.handover(id).await?))
    }

    /// Room for one more stream; it is given back when the stream ends.
    pub(super) fn admit_stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let room = Arc::clone(&self.streams).try_acquire_owned();
        room.map_err(|_| {
            let message = format!(
                "{} streams are open, and no more are served",
                self.most_streams
            );
            ApiError::unavailable("too_many_streams", message)
                .hint("close one, and open this again")
        })
    }
}
