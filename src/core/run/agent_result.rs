//! How one call of an agent ended, and what it used: the two facts about agents that the lifecycle decides on.
//! How they are read off a particular agent's stream is not known here; that is the business of the `agent` room.

use serde::{Deserialize, Serialize};

use crate::core::time::Time;

/// The class of an agent's result. "Done" means only that the agent says it ended in good order: whether the work is
/// done is judged by git, the plan and the checks, since several agents report success on every failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResultClass {
    /// The agent ended its turn in good order.
    Done,
    /// The agent reached its own limit of turns; what it did so far counts.
    MaxTurns,
    /// The agent reached the budget that it was given for this call; what it did so far counts.
    Budget,
    /// The provider refuses further work for now.
    Limited {
        /// When the provider takes work again; `None` when it did not say.
        resets_at: Option<Time>,
    },
    /// The agent's credentials were refused or are missing; a person has to act.
    Auth,
    /// The agent or its provider refuses this work as it is (a prompt that is too long, a folder that is not trusted,
    /// an option that is not allowed, an empty account); a repeat would end the same way.
    Refused,
    /// The agent does not know the session that it was to go on with, or cannot open it; a fresh one may do.
    SessionGone,
    /// The agent ended without a result, or with an error that may pass.
    Crashed,
    /// The step's time was over, or the agent was silent and idle for too long.
    TimedOut,
    /// The agent was stopped on request.
    Canceled,
}

impl ResultClass {
    /// The name that is stored and shown.
    pub fn as_str(&self) -> &'static str {
        match self {
            ResultClass::Done => "done",
            ResultClass::MaxTurns => "max_turns",
            ResultClass::Budget => "budget",
            ResultClass::Limited { resets_at: _ } => "limited",
            ResultClass::Auth => "auth",
            ResultClass::Refused => "refused",
            ResultClass::SessionGone => "session_gone",
            ResultClass::Crashed => "crashed",
            ResultClass::TimedOut => "timed_out",
            ResultClass::Canceled => "canceled",
        }
    }
}

/// Tokens and money used, as far as the agent reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens sent to the model, cached ones included.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// Cost in US dollars; `None` when the agent reports none.
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// This usage and `other` together; a cost is known as soon as one of the two is.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd: match (self.cost_usd, other.cost_usd) {
                (Some(a), Some(b)) => Some(a + b),
                (one, None) | (None, one) => one,
            },
        }
    }
}
