//! What events carry: the reports of those who performed an effect. Plain data, as it is journaled;
//! what follows from it is decided in the rules.

use serde::{Deserialize, Serialize};

use super::agent_result::{ResultClass, Usage};
use crate::core::plan::PlanReading;

/// The branch and the worktree of a run, as they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// The branch that the run started from.
    pub base_branch: String,
    /// The commit that it was at.
    pub base_commit: String,
    /// The run's own branch, without `refs/heads/`.
    pub run_branch: String,
    /// Where the verified work goes.
    pub merge_target_branch: String,
    /// The worktree's absolute path.
    pub path: String,
    /// The commit that spec, plan and checks are read at: the base, or the snapshot made on top of it.
    pub start_commit: String,
    /// What the git room keeps to recognise it again, as JSON; nobody else reads it.
    pub record: String,
}

/// What asking a model for a run's name came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// The name; `None` where the run keeps the one that it was created with.
    pub name: Option<String>,
    /// Who was asked, in a few words; or why nobody gave a name.
    pub message: String,
}

/// What became of a worktree that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Its absolute path.
    pub path: String,
    /// Its directory is gone, now or already.
    pub removed: bool,
    /// What was done beside it, or why it stays and what to do.
    pub note: String,
}

/// A branch of a run that the clean-up removed. Its commits are in the merge target or behind a rescue ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredBranch {
    /// Its name, without `refs/heads/`.
    pub branch: String,
    /// The commit that it stood at.
    pub tip: String,
    /// The ref that was made to keep its commits; `None` where the target has them, or another one keeps them.
    pub rescue: Option<String>,
}

/// How the implementing agent ended, judged by what it left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentReport {
    /// What the stream and the exit say.
    pub result: ResultClass,
    /// The same for a person, with what to do where something can be done.
    pub message: String,
    /// The exit status; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// Commits that were added to the run branch since the iteration began, leftovers included: those of an earlier try
    /// that was stopped or lost are work like any other.
    pub commits: u32,
    /// The tip of the run branch.
    pub head: String,
    /// The tip's tree.
    pub tree: String,
    /// The plan at the tip.
    pub plan: PlanReading,
    /// What was done to the plan or a protected path that must not be; `None` when nothing was.
    pub tampered: Option<String>,
    /// The last message ended with the completion token.
    pub claimed_complete: bool,
    /// The task that was selected; `None` when the step was to mend or to confirm.
    pub task: Option<String>,
    /// Tools that were denied to the agent, and answers that it asked for: why nothing may have happened.
    pub denied: Vec<String>,
    /// What the agent reported to have used.
    pub usage: Usage,
    /// The usage counts from the start of the session, and not of this call.
    #[serde(default)]
    pub usage_of_session: bool,
    /// The agent's session, where it can be resumed.
    pub session: Option<String>,
}

/// What a reviewer decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Approved as it stands.
    pub approved: bool,
    /// What has to change; empty when approved without remarks.
    pub findings: String,
}

/// How the reviewing agent ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewReport {
    /// What the stream and the exit say.
    pub result: ResultClass,
    /// The same for a person.
    pub message: String,
    /// The exit status; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// The verdict; `None` when none could be read, which is not a rejection.
    pub verdict: Option<Verdict>,
    /// The tip of the run branch after loopd has moved the boxes.
    pub head: String,
    /// The tip's tree.
    pub tree: String,
    /// The plan at the tip.
    pub plan: PlanReading,
    /// What the agent reported to have used.
    pub usage: Usage,
    /// The usage counts from the start of the session, and not of this call.
    #[serde(default)]
    pub usage_of_session: bool,
    /// The agent's session, where it can be resumed.
    #[serde(default)]
    pub session: Option<String>,
}

/// What an agent had said when its step was stopped, or lost with its keeper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The agent's session, where it can be resumed.
    pub session: Option<String>,
    /// What it reported to have used.
    pub usage: Usage,
    /// The usage counts from the start of the session, and not of this call.
    pub usage_of_session: bool,
}

/// One check that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFailure {
    /// The command as configured.
    pub command: String,
    /// Why it counts as failed: exit status, signal, time-out, or the files that it changed.
    pub why: String,
    /// The end of its output, bounded.
    pub tail: String,
}

/// How the checks ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksReport {
    /// The commit that they ran on.
    pub head: String,
    /// Its tree; a merge moves the target to exactly this tree.
    pub tree: String,
    /// Those that failed, in order; empty when all passed.
    pub failures: Vec<CheckFailure>,
    /// Equal for equal failures; empty when all passed.
    pub fingerprint: String,
}

/// What git and the plan say at the end of an iteration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The tip of the run branch.
    pub head: String,
    /// The tip's tree.
    pub tree: String,
    /// Identity of the iteration's diff; `None` when it changed nothing.
    pub diff_id: Option<String>,
    /// The plan at the tip.
    pub plan: PlanReading,
    /// Similarity of the agent's output to that of the iteration before, in permille.
    pub output_similarity: Option<u16>,
    /// What was done to the plan or a protected path that must not be.
    pub tampered: Option<String>,
}

/// How the analysis of an ended run ended. Its summary is written whatever the agent did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostmortemReport {
    /// The agent's report is written.
    pub written: bool,
    /// Why there is none although one was wanted, and what to do.
    pub failure: Option<String>,
    /// What the agent reported to have used.
    pub usage: Usage,
}

/// What kind of trouble an effect met; decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// May pass by itself soon: a lock held, a time-out.
    Transient,
    /// The disk is full: the run waits behind a gate until there is room.
    NoSpace,
    /// A place that has to be written is read-only: the run waits behind a gate until it is not.
    ReadOnly,
    /// A person has to look: a foreign directory in the way, a branch switched inside the worktree.
    NeedsPerson,
    /// Will not pass: the workspace is gone, the base branch does not exist.
    Permanent,
}

/// Why an effect could not be performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind it is.
    pub kind: TroubleKind,
    /// A stable word for programs, for example `base_branch_missing`.
    pub code: String,
    /// What was tried, what went wrong, what to do.
    pub message: String,
}
