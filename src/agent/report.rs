//! What a whole call of an agent came to: the shapes. How they are found is the tally's business.

use serde::{Deserialize, Serialize};

use crate::core::run::agent_result::{ResultClass, Usage};

/// How the agent's process ended, as its keeper saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit status, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its time was over, so the keeper ended it.
    pub timed_out: bool,
    /// It was silent and idle for too long, so the keeper ended it.
    pub idle: bool,
    /// It was asked for, so the keeper ended it.
    pub canceled: bool,
}

/// What a whole call came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The class that the lifecycle decides on.
    pub class: ResultClass,
    /// The cause in words for a person, with what to do where only a person can; empty for a good end.
    pub message: String,
    /// The agent's last message alone. For plain text: its standard output. At most 1 MiB, the end of it.
    pub final_message: String,
    /// The session that a later call can resume.
    pub session: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens and cost.
    pub usage: Usage,
    /// True when [`Report::usage`] counts from the start of the *session*: of a resumed call, what was recorded for
    /// the session before has to be taken off.
    pub usage_of_session: bool,
    /// What the agent was not allowed to do; the first 50.
    pub denied: Vec<String>,
    /// What the agent asked a person; the first 50.
    pub questions: Vec<String>,
    /// The start of what the last tool answered, if that was an error.
    pub tool_failed: Option<String>,
    /// Lines that were not understood, too long ones included.
    pub raw_lines: u64,
}
