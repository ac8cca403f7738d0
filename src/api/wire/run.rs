//! A run as a client sees it, and the replies that carry one. States are named by the machine's table, so `state` is its
//! word; `status` is the vocabulary of the earlier system.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MergeStrategy, NameSource};

/// The earlier system's word for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// `queued`.
    Pending,
    /// `running`, `verifying`, `watchdog`, `merging`.
    Running,
    /// `paused`.
    Paused,
    /// `completed`.
    Completed,
    /// `failed`.
    Failed,
    /// `canceled`.
    Canceled,
}

impl Status {
    /// Whether the run is over, unless a person starts it anew.
    pub fn has_ended(self) -> bool {
        match self {
            Status::Pending | Status::Running | Status::Paused => false,
            Status::Completed | Status::Failed | Status::Canceled => true,
        }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// UUIDv7.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where the name comes from.
    pub name_source: NameSource,
    /// The machine's word for where it is.
    pub state: String,
    /// The earlier system's word for the same.
    pub status: Status,
    /// What is going on within the state (`implement`, `review`, …); `null` when nothing is.
    pub stage: Option<String>,
    /// Absolute path of the workspace.
    pub workspace_root: String,
    /// The spec, relative to the workspace.
    pub spec_path: String,
    /// The plan, relative to the workspace.
    pub plan_path: String,
    /// Name of the agent.
    pub agent: String,
    /// Higher goes first.
    pub priority: i32,
    /// Iterations begun; 0 before the first.
    pub iteration: u32,
    /// Tasks that are done.
    pub tasks_done: u32,
    /// Tasks that count.
    pub tasks_total: u32,
    /// Branches and worktree.
    pub worktree: Worktree,
    /// Why it waits for a person, while paused; else the first gate that holds it.
    pub hold: Option<Hold>,
    /// Why it failed; only after it has.
    pub failure: Option<Failure>,
    /// Whether all is done that the end of the run has asked for: its last step is gone, its files are written
    /// (`summary.json`, the last row of `report.tsv`), and its worktree is removed where it was to go. `false` while the run
    /// has not ended. The analysis and the handover, which may take long, tell of themselves.
    #[serde(default = "yes")]
    pub settled: bool,
    /// What a person did with the ended run: `merging`, `merged`, `requesting`, `pr_created`, `scrapping` or `scrapped`;
    /// `null` when nothing.
    pub review_status: Option<String>,
    /// How the ended run stands for whoever takes its work over; `null` while it has not ended.
    #[serde(default)]
    pub handover: Option<Handover>,
    /// The commit that carries the work on the target.
    pub merge_commit: Option<String>,
    /// The pull request that was made.
    pub pr_url: Option<String>,
    /// The analysis of the ended run; `null` when none was asked for since it ended.
    #[serde(default)]
    pub postmortem: Option<Postmortem>,
    /// There are no checks: only the review, if any, proves the work.
    #[serde(default)]
    pub unverified: bool,
    /// What it has used.
    pub usage: UsageTotals,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it entered the queue for the last time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub queued_at: Option<Timestamp>,
    /// When it was claimed for the first time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended; set exactly while it has ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When the run itself was written for the last time.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Rises with every write to the run itself. What a person does with it after its end has a `rev` of its own, in
    /// `handover`; a gate in `hold` comes and goes without any.
    pub rev: u64,
}

/// A daemon of an earlier version does not say, and is not waited for.
fn yes() -> bool {
    true
}

/// The analysis of an ended run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Postmortem {
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// When it was over; `null` while it works.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The agent's report is written.
    pub written: bool,
    /// Why there is no report of the agent, where one was wanted. The summary is written all the same.
    pub failure: Option<String>,
}

/// The branches of a run and the directory it works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worktree {
    /// Where it starts from; `null` until the first claim resolves the default branch.
    pub base_branch: Option<String>,
    /// Its own branch; `null` until the first claim.
    pub run_branch: Option<String>,
    /// Where the work goes.
    pub merge_target_branch: String,
    /// How.
    pub merge_strategy: MergeStrategy,
    /// Its own directory, absolute; `null` while there is none.
    pub worktree_path: Option<String>,
    /// Why something stays that was to go with the end of the run, or with the clean-up.
    #[serde(default)]
    pub kept: Vec<String>,
}

/// Why a run waits: for a person, or behind a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// Name of the hold or of the gate.
    pub gate: String,
    /// When it ends by itself, as far as that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// For a person: what happened and what to do.
    pub message: String,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable name.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// How an ended run stands for whoever takes its work over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handover {
    /// The state of the handover's table: `given_up`, `proved`, `merged`, `merging`, `requesting`, `scrapping` or `scrapped`.
    pub state: String,
    /// What was in the way of what was asked for last; `null` when nothing was.
    pub message: Option<String>,
    /// Rises with every write to the handover, as `HANDOVER_STATE_CHANGED` tells it; the run's own `rev` does not.
    #[serde(default)]
    pub rev: u64,
}

/// What a run has used over all its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageTotals {
    /// Tokens sent.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// US dollars; `null` when no agent said.
    pub cost_usd: Option<f64>,
}

/// Reply of `GET /runs`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// One page.
    pub runs: Vec<Run>,
    /// Give it as `?cursor=` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// Reply of every request about one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunReply {
    /// The run, after the request.
    pub run: Run,
}

/// Reply of `POST /runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreatedRun {
    /// The run.
    pub run: Run,
    /// What of its plan counts.
    #[serde(default)]
    pub plan: PlanSummary,
    /// What the creator should know (a run without checks is unverified, …).
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What of a plan counts as a task, and what does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanSummary {
    /// Boxes that count.
    pub tasks: u32,
    /// Of them, done.
    pub done: u32,
    /// Of them, blocked.
    pub blocked: u32,
    /// Boxes for a person (`- [ ]?`), which do not count.
    pub human: u32,
    /// Sections whose boxes do not count.
    pub skipped: Vec<SkippedSection>,
}

/// A section of a plan that is not the agent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkippedSection {
    /// Its heading.
    pub heading: String,
    /// Boxes in it.
    pub boxes: u32,
}

/// Reply of `GET /runs/{id}/diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffReply {
    /// The run.
    pub run_id: Uuid,
    /// Commit that it started from.
    pub base_commit: String,
    /// Tip of its branch.
    pub head_commit: String,
    /// Unified diff from base to head; bytes that are not UTF-8 arrive as U+FFFD.
    pub diff: String,
    /// Whether the diff was cut because of its size.
    pub truncated: bool,
}
