//! What is said to the handover of a run and what comes of it, as the store takes and gives it. How it is applied is
//! `handovers`'.

use super::outbox::EffectDone;
use super::rows::{EffectId, StoredEvent, StoredHandover};
use crate::core::handover::{Effect, Event, State};
use crate::core::run::{self, RunId};
use crate::core::time::Time;

/// An event for the handover of a run, and what is to be stored with it.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// Of which run.
    pub run_id: RunId,
    /// What happened.
    pub event: Event,
    /// When.
    pub now: Time,
    /// The effect that this event reports on. Recorded whatever the answer is.
    pub effect_done: Option<EffectDone>,
    /// What the run itself has to know: that its worktree is gone. Applied only when the handover moves.
    pub run_event: Option<run::Event>,
}

impl HandOver {
    /// An event with nothing beside it.
    pub fn new(run_id: RunId, event: Event, now: Time) -> Self {
        HandOver {
            run_id,
            event,
            now,
            effect_done: None,
            run_event: None,
        }
    }
}

/// What became of a [`HandOver`].
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub struct HandedOver {
    /// What the machine said.
    pub answer: HandoverAnswer,
    /// What the world was told, in order.
    pub events: Vec<StoredEvent>,
}

/// What the machine of the handover said to an event.
#[derive(Clone, Debug, PartialEq)]
pub enum HandoverAnswer {
    /// The handover moved, possibly within its state.
    Moved(Box<HandoverMove>),
    /// Nothing changes. The text says why.
    Ignored(&'static str),
    /// The table refuses it. The text says why.
    Refused(&'static str),
}

/// A move that was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct HandoverMove {
    /// The state before.
    pub from: State,
    /// The handover after.
    pub handover: StoredHandover,
    /// What is to be performed now, in this order.
    pub effects: Vec<HandoverEffect>,
}

/// Something that has to be performed for a handover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverEffect {
    /// Its row. It is performed after every earlier effect of the run and of its handover.
    pub id: EffectId,
    /// For which run.
    pub run_id: RunId,
    /// The handover's generation; the report carries it.
    pub generation: u64,
    /// What to do.
    pub effect: Effect,
}
