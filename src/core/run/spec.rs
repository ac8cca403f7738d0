//! What a run was created with and keeps: its identity, where it works, and the terms that its rules read.
//! The whole configuration stands beside it in the store; only what the core decides by is repeated here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::watchdog::Limits;

/// The id of a run: a UUIDv7 in its usual text form. Order runs by their number, never by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a step: `<run id>.<generation>`, so that a step is named before anything of it exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// The id of the step that began with this generation.
    pub fn new(run: &RunId, generation: u64) -> Self {
        StepId(format!("{run}.{generation}"))
    }

    /// The generation that the step began with; `None` when the text is not a step id.
    pub fn generation(&self) -> Option<u64> {
        self.0.rsplit_once('.')?.1.parse().ok()
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the verified work reaches the merge target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStrategy {
    /// One commit with the verified tree on top of the target.
    #[default]
    Squash,
    /// A merge commit of the run branch.
    Merge,
    /// No merge: the run branch is the result.
    None,
}

impl MergeStrategy {
    /// The word used in configuration, events and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            MergeStrategy::Squash => "squash",
            MergeStrategy::Merge => "merge",
            MergeStrategy::None => "none",
        }
    }
}

/// What to do when the agent's provider says that its usage limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUsageLimit {
    /// Give the slot back and wait until the limit resets.
    #[default]
    Wait,
    /// Fail the run.
    Fail,
    /// Go on with the fallback agent; wait when that one is limited too.
    Fallback,
}

/// What a run is and where it works; fixed at creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The name that it was created with: for people, not unique. A model may give it another: see `Facts::name`.
    pub name: String,
    /// Where that name comes from: `spec_slug`, `user` or `given`.
    pub name_source: String,
    /// The workspace as it was given, made absolute.
    pub workspace_root: String,
    /// The canonical git common directory: the workspace as the cap sees it.
    pub workspace_key: String,
    /// The spec's path, relative to the top of the work tree.
    pub spec_path: String,
    /// The plan's path, relative to the top of the work tree.
    pub plan_path: String,
    /// The base branch that was asked for; `None` means the default branch at the first claim.
    pub base_branch: Option<String>,
    /// The merge target that was asked for; `None` means `agent/<spec slug>`.
    pub merge_target_branch: Option<String>,
    /// The prefix of the run branch.
    pub run_branch_prefix: String,
    /// The template of the worktree's path.
    pub worktree_path_template: String,
    /// The template is the workspace's own word: what it gives has to lie below the workspace's parent folder, whatever
    /// links are on the way.
    #[serde(default)]
    pub worktree_confined: bool,
    /// The agent's name; also the provider that limits are counted for.
    pub agent: String,
    /// Higher starts first.
    pub priority: i32,
    /// Runs that have to complete before this one starts.
    pub after: Vec<RunId>,
    /// The spec and the plan go into the run branch's first commit as they are now.
    pub snapshot: bool,
    /// The directory whose `runs` holds its files, absolute; `None` means the data directory. A run keeps the place that
    /// it was created with.
    #[serde(default)]
    pub files_root: Option<String>,
}

/// What the rules of a run decide by; fixed at creation, but for the strategy of a retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The watchdog's limits.
    pub limits: Limits,
    /// Whether the work is reviewed.
    pub reviewer: bool,
    /// Whether there are checks; a run without them is marked unverified.
    pub has_checks: bool,
    /// How the work reaches the target.
    pub merge_strategy: MergeStrategy,
    /// Further tries of a crashed or timed-out agent step, and of a review without a verdict.
    pub agent_retries: u32,
    /// The first wait between tries, in seconds; it doubles, up to 120.
    pub agent_retry_backoff_sec: u32,
    /// What a usage limit leads to.
    pub on_usage_limit: OnUsageLimit,
    /// The agent to go on with under `on_usage_limit = fallback`.
    pub fallback_agent: Option<String>,
    /// A model is asked for the run's name before it gets its branch.
    #[serde(default)]
    pub named_by_model: bool,
    /// Whether an analysis follows the end.
    #[serde(default)]
    pub postmortem: bool,
    /// Spreads the waits of runs that fail together; random at creation, so that the core needs no randomness.
    pub jitter_seed: u64,
}
