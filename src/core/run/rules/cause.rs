//! A decision is an answer of the table together with its cause. The cause is what a person reads as hold or failure;
//! both come from one function each, so that what was decided and what is said of it cannot drift apart.

use super::super::facts::Facts;
use super::super::machine::Event;
use super::super::parts::{BY_PERSON, Failure, Hold};
use crate::core::time::Time;

/// An answer, and why.
pub(super) struct Decision<A> {
    /// The answer that the table names.
    pub answer: A,
    /// Why; empty for answers that go on.
    pub cause: Cause,
}

/// Why a run is held or has failed: a stable word, and a sentence with what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cause {
    /// A stable word for programs.
    pub code: String,
    /// For a person.
    pub message: String,
}

impl<A> Decision<A> {
    /// An answer that goes on.
    pub(super) fn go(answer: A) -> Self {
        Decision {
            answer,
            cause: Cause::default(),
        }
    }

    /// An answer that a person will ask about.
    pub(super) fn because(answer: A, code: impl Into<String>, message: impl Into<String>) -> Self {
        Decision {
            answer,
            cause: Cause {
                code: code.into(),
                message: message.into(),
            },
        }
    }
}

impl From<Cause> for Hold {
    fn from(cause: Cause) -> Self {
        Hold {
            code: cause.code,
            message: cause.message,
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Failure {
            code: cause.code,
            message: cause.message,
        }
    }
}

impl Facts {
    /// Why the event that was just recorded holds or fails the run. One arm for each event, so that a new row that
    /// holds or fails has to say what a person will read.
    pub(super) fn cause(&self, event: &Event, now: Time) -> Cause {
        match event {
            Event::AgentDone { .. } => self.decide_after_agent(now).cause,
            Event::ReviewDone { .. } => self.decide_after_review(now).cause,
            Event::Judged { .. } => self.decide_after_watchdog().cause,
            Event::TargetMoved { .. } | Event::BranchMoved { .. } => {
                self.decide_after_catch_up().cause
            }
            Event::MergeConflict { .. } => self.decide_after_conflict().cause,
            Event::EffectFailed { .. } => self.decide_after_trouble().cause,
            Event::StepLost { .. } => self.lost_cause(),
            Event::TargetHeld { .. } => Cause {
                code: "target_held".to_owned(),
                message: self.last_message.clone(),
            },
            Event::Pause => Cause {
                code: BY_PERSON.to_owned(),
                message: "paused by a person; `loopctl resume` lets it go on".to_owned(),
            },
            Event::Claim { .. }
            | Event::Named { .. }
            | Event::WorktreeReady { .. }
            | Event::ChecksDone { .. }
            | Event::Merged { .. }
            | Event::Closed { .. }
            | Event::RemoveWorktree { .. }
            | Event::WorktreesRemoved { .. }
            | Event::Collect
            | Event::Collected { .. }
            | Event::StepGone { .. }
            | Event::StepStopped { .. }
            | Event::RetryDue { .. }
            | Event::Resume { .. }
            | Event::Cancel
            | Event::Retry { .. }
            | Event::RetryMerge { .. }
            | Event::Reset
            | Event::Analyze
            | Event::Analyzed { .. } => Cause {
                code: event.name().as_str().to_owned(),
                message: self.last_message.clone(),
            },
        }
    }
}
