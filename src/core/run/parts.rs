//! What [`Facts`](super::facts::Facts) are made of: each part a record of its own, with the words that it is stored by. Not
//! here: what changes them, which is the table's.

use serde::{Deserialize, Serialize};

use super::data::CheckFailure;
use crate::core::time::Time;
use crate::core::watchdog::{Iteration, Signal};

/// Where a run goes on when it gets a slot (again).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// With an implementation.
    #[default]
    Implement,
    /// With the review of what was implemented.
    Review,
    /// With the checks; everything after them is proved anew.
    Verify,
}

/// What an iteration is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The first pending task of the plan.
    #[default]
    Task,
    /// No task is pending, but checks, findings or a conflict are open.
    Mend,
    /// All is done, only the completion token is missing.
    Confirm,
}

/// A step that is not yet known to be gone; it holds the run's slot whatever the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStep {
    /// The generation that it began with; with the run's id, its name.
    pub generation: u64,
    /// Which phase it belongs to: implementation, review, verification, watchdog or merge.
    pub phase: String,
}

/// Why a queued run may not start before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitWhy {
    /// The provider's usage limit.
    Limit,
    /// No room on the disk.
    Disk,
    /// A place that has to be written is read-only.
    ReadOnly,
}

/// A gate with a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Not before this.
    pub until: Time,
    /// What it waits for.
    pub why: WaitWhy,
    /// The same for a person.
    pub message: String,
}

/// The code of a hold that a person made.
pub(super) const BY_PERSON: &str = "by_person";

/// Why a paused run needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// A stable word, for example `plan_tampered`.
    pub code: String,
    /// What was seen, and what to do.
    pub message: String,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word, for example `agent_failed`.
    pub code: String,
    /// What was seen, and what to do.
    pub message: String,
}

/// What has happened in the iteration that is going on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its record so far; closed by the watchdog.
    pub record: Iteration,
    /// Tasks done when it began.
    pub done_before: u32,
    /// The run branch's tip when it began; `None` means the base commit.
    pub start_head: Option<String>,
    /// What the implementation came to, in words, where there is more to tell than its class.
    #[serde(default)]
    pub came_to: Option<String>,
    /// The tree that the checks passed on; `None` until they have.
    pub checked_tree: Option<String>,
    /// Plan or protected paths were tampered with: what was seen.
    pub tampered: Option<String>,
    /// Its record has been closed and weighed.
    pub weighed: bool,
    /// Its prompt is the rewrite of this number.
    pub rewrite: Option<u32>,
}

/// What the next prompt has to tell the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// What the watchdog is not content with.
    pub signals: Vec<Signal>,
    /// Checks that failed.
    pub failures: Vec<CheckFailure>,
    /// The findings of a rejection.
    pub findings: Option<String>,
    /// Files of a merge conflict.
    pub conflict: Vec<String>,
    /// What a person said when resuming.
    pub operator: Option<String>,
}

impl Notes {
    /// Something of the work is open although no task may be pending.
    pub fn open_work(&self) -> bool {
        !self.failures.is_empty() || self.findings.is_some() || !self.conflict.is_empty()
    }
}

/// Tokens and money of the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tokens sent, cached ones included.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Millionths of a US dollar; `None` while no agent has reported a cost.
    pub cost_micro_usd: Option<u64>,
}

/// A session of an agent: what it remembers of a call, for a later one to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent's own name of it.
    pub id: String,
    /// What is counted of it already, where the agent counts from its start.
    pub counted: Totals,
}

/// The analysis of an ended run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postmortem {
    /// When it was begun.
    pub began_at: Time,
    /// How it ended; `None` while it works.
    pub end: Option<PostmortemEnd>,
}

/// The end of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostmortemEnd {
    /// When.
    pub at: Time,
    /// The agent's report is written.
    pub written: bool,
    /// Why there is none although one was wanted, and what to do.
    pub failure: Option<String>,
}
