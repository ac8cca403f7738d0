//! The handle through which everybody else speaks with the engine: requests in, answers out. Whoever holds it can ask
//! for a change; only the engine, one at a time, makes it.

use tokio::sync::{mpsc, oneshot, watch};

use super::Unstored;
use crate::config::Shutdown;
use crate::core::handover;
use crate::core::machine::Source;
use crate::core::run::{Event, RunId};
use crate::core::schedule::Schedule;
use crate::effect::{Done, HandoverDone};
use crate::store::{
    Applied, Created, HandedOver, HandoverEffect, NewRun, StoreError, StoredEffect, answered,
};

/// A message to the engine.
#[derive(Debug)]
pub(super) enum Message {
    /// Put a new run into the queue.
    Create(Box<NewRun>, oneshot::Sender<Result<Created, StoreError>>),
    /// An event for a run: a person's, or the clean-up's.
    Operate(
        RunId,
        Box<Event>,
        oneshot::Sender<Result<Applied, StoreError>>,
    ),
    /// What a person does with an ended run.
    HandOver(
        RunId,
        handover::Event,
        oneshot::Sender<Result<HandedOver, StoreError>>,
    ),
    /// What the scheduler would do now, and why.
    Explain(oneshot::Sender<Result<Schedule, StoreError>>),
    /// What cannot be stored at present.
    Unstored(oneshot::Sender<Result<Option<Unstored>, StoreError>>),
    /// An effect has been performed.
    Performed(Box<StoredEffect>, Box<Done>),
    /// An effect of a handover has been performed.
    HandedOver(HandoverEffect, Box<HandoverDone>),
    /// Start nothing any more, let the steps go on or end them, and answer when nothing is left to wait for.
    Drain(Shutdown, oneshot::Sender<()>),
}

/// Speaks with the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) inbox: mpsc::Sender<Message>,
    pub(super) told: watch::Receiver<u64>,
}

/// The engine does not answer: the daemon is ending.
#[derive(Debug, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct Gone;

/// Why an answer could not be given.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The daemon is ending.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Handle {
    /// Puts a run, validated before, into the queue.
    ///
    /// # Errors
    /// When the store cannot take it, or the daemon is ending.
    pub async fn create(&self, new: NewRun) -> Result<Created, AskError> {
        self.ask(|reply| Message::Create(Box::new(new), reply))
            .await
    }

    /// Sends a person's event to a run. Events of other sources are not for callers of this handle.
    ///
    /// # Errors
    /// When the store cannot take it, or the daemon is ending.
    pub async fn operate(&self, run: RunId, event: Event) -> Result<Applied, AskError> {
        debug_assert_eq!(event.source(), Source::Operator);
        self.ask(|reply| Message::Operate(run, Box::new(event), reply))
            .await
    }

    /// Sends a person's event to the handover of a run. The answer tells whether it was begun; [`Handle::told`] when there
    /// is more to be seen.
    ///
    /// # Errors
    /// When the store cannot take it, or the daemon is ending.
    pub async fn hand_over(
        &self,
        run: RunId,
        event: handover::Event,
    ) -> Result<HandedOver, AskError> {
        debug_assert_eq!(event.source(), Source::Operator);
        self.ask(|reply| Message::HandOver(run, event, reply)).await
    }

    /// Tells an ended run that its time is over.
    ///
    /// # Errors
    /// When the store cannot take it, or the daemon is ending.
    pub async fn collect(&self, run: RunId) -> Result<Applied, AskError> {
        self.ask(|reply| Message::Operate(run, Box::new(Event::Collect), reply))
            .await
    }

    /// What the scheduler decides as things stand: the same function that starts runs.
    ///
    /// # Errors
    /// When the queue cannot be read, or the daemon is ending.
    pub async fn explain(&self) -> Result<Schedule, AskError> {
        self.ask(Message::Explain).await
    }

    /// What cannot be written down at present, and which runs at work wait for that.
    ///
    /// # Errors
    /// When the daemon is ending.
    pub async fn unstored(&self) -> Result<Option<Unstored>, AskError> {
        self.ask(Message::Unstored).await
    }

    /// Tells the engine to start nothing more, and waits until it has stopped: at once where the steps are kept, else when
    /// every step has been ended and that is recorded. Until then it answers as before, but for new starts.
    pub async fn drain(&self, steps: Shutdown) {
        let (reply, drained) = oneshot::channel();
        if self.inbox.send(Message::Drain(steps, reply)).await.is_ok() {
            // An engine that is gone has drained, too.
            answered(&self.inbox, drained).await;
        }
    }

    /// The number of the newest public event. Marked as changed whenever a run has changed, also where the world is told
    /// nothing of it.
    pub fn told(&self) -> watch::Receiver<u64> {
        self.told.clone()
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Message,
    ) -> Result<T, AskError> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(message(reply)).await.map_err(|_| Gone)?;
        Ok(answered(&self.inbox, answer).await.ok_or(Gone)??)
    }
}
