//! What is known of a handover besides its state. One record, stored as JSON, changed only by the updates of the table.

use serde::{Deserialize, Serialize};

use crate::core::run::{self, State};
use crate::core::time::Time;

/// How a run ended, as far as its work is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// It failed or was canceled.
    GivenUp,
    /// It is completed, and its branch is the result.
    Proved,
    /// It is completed, and has merged its work by itself.
    Merged,
}

impl RunEnd {
    /// How a run in this state has ended; `None` while it has not.
    pub fn of(state: State, facts: &run::Facts) -> Option<RunEnd> {
        match state {
            State::Completed if facts.merge_commit.is_some() => Some(RunEnd::Merged),
            State::Completed => Some(RunEnd::Proved),
            State::Failed | State::Canceled => Some(RunEnd::GivenUp),
            State::Queued
            | State::Running
            | State::Verifying
            | State::Watchdog
            | State::Merging
            | State::Paused => None,
        }
    }
}

/// What the person can do about a snag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnagKind {
    /// The work, or what lies in its way, does not allow it.
    InTheWay,
    /// It was tried and failed: a program is missing, a remote cannot be reached.
    Failed,
}

/// Why something that a person asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snag {
    /// What kind it is.
    pub kind: SnagKind,
    /// A stable word for programs, for example `target_moved`.
    pub code: String,
    /// What was tried, and what went wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Everything that is known of a handover besides its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Rises with each piece of work; its report carries the one that it was begun with.
    pub generation: u64,
    /// How the run ended; `None` while it has not.
    pub end: Option<RunEnd>,
    /// The commit that a person's merge moved the target to.
    pub merge_commit: Option<String>,
    /// The pull request of the run branch.
    pub pr_url: Option<String>,
    /// The pull request has everything that is on the run branch; not any more, once the run was started anew.
    pub pr_current: bool,
    /// What was in the way of what was asked for last.
    pub snag: Option<Snag>,
    /// When the run was scrapped.
    pub ended_at: Option<Time>,
}
