//! The events that the world sees. Names and payloads are the contract of `GET /events`. Not here: which of them a move
//! tells (`telling`).

use serde::{Deserialize, Serialize};

use super::machine::State;
use super::parts::{BY_PERSON, Hold};
use super::spec::{MergeStrategy, StepId};
use crate::core::handover;
use crate::core::schedule::Gate;
use crate::core::skills::{Chosen, Cut, Named};
use crate::core::time::Time;

/// One event for the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    content = "payload",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "snake_case"
)]
pub enum PublicEvent {
    RunCreated {
        name: String,
    },
    RunQueued {
        why: String,
    },
    RunBlocked {
        gates: Vec<Gate>,
    },
    RunStarted {
        worker_id: String,
    },
    RunStateChanged {
        from: State,
        to: State,
        event: String,
        rev: u64,
    },
    RunPaused {
        hold: Option<Hold>,
    },
    RunResumed {},
    RunCompleted {
        mode: String,
    },
    RunFailed {
        reason: String,
        message: String,
    },
    RunCanceled {},
    StepStarted {
        step_id: StepId,
        phase: String,
        attempt: u32,
    },
    StepFinished {
        step_id: StepId,
        exit_code: Option<i32>,
        duration_ms: u64,
        output_path: Option<String>,
    },
    ReviewFinished {
        verdict: String,
    },
    VerificationFinished {
        passed: bool,
        tree: String,
    },
    WatchdogRewrite {
        step_id: StepId,
        signal: String,
        prompt_before: String,
        prompt_after: String,
    },
    AgentLimited {
        provider: String,
        resets_at: Option<Time>,
    },
    MergeStarted {
        target: String,
    },
    MergeFinished {
        commit: String,
    },
    MergeConflict {
        files: Vec<String>,
    },
    /// A model was asked for the run's name.
    RunNamed {
        /// The name that the run has from now on.
        name: String,
        /// `haiku` where the model gave it; else where the name comes from that the run keeps.
        name_source: String,
        /// Who was asked, or why nobody gave a name.
        message: String,
    },
    WorktreeCreated {
        path: String,
        branch: String,
    },
    WorktreeRemoved {
        path: String,
    },
    PostmortemStart {},
    PostmortemEnd {
        /// The agent's report is written.
        written: bool,
        /// Why there is none although one was wanted.
        failure: Option<String>,
    },
    HandoverStateChanged {
        from: handover::State,
        to: handover::State,
        event: String,
        rev: u64,
    },
    HandoverFailed {
        code: String,
        message: String,
    },
    PullRequestCreated {
        url: String,
    },
    /// Told with the first agent call of a run, and again when it has changed.
    SkillsDiscovered {
        /// The agent's step.
        step_id: StepId,
        /// Every skill that was found, by name.
        skills: Vec<Named>,
    },
    /// Told with each agent call that is given skills.
    SkillsSelected {
        /// The agent's step.
        step_id: StepId,
        /// Those whose text stands in its prompt, and why.
        skills: Vec<Chosen>,
    },
    /// Told once of each thing that cannot be used.
    SkillsLoadFailed {
        /// The agent's step.
        step_id: StepId,
        /// The file or folder, or `skill: NAME` for a name that no skill has.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// Told with each agent call in whose prompt not everything found room.
    SkillsTruncated {
        /// The agent's step.
        step_id: StepId,
        /// Selected skills whose text is cut: bytes that are shown, and bytes that there are.
        skills: Vec<Cut>,
        /// Names of skills that are not even listed.
        left_out: Vec<String>,
    },
}

impl PublicEvent {
    /// The event's type as it stands in the stream.
    pub fn type_name(&self) -> &'static str {
        match self {
            PublicEvent::RunCreated { .. } => "RUN_CREATED",
            PublicEvent::RunQueued { .. } => "RUN_QUEUED",
            PublicEvent::RunBlocked { .. } => "RUN_BLOCKED",
            PublicEvent::RunStarted { .. } => "RUN_STARTED",
            PublicEvent::RunStateChanged { .. } => "RUN_STATE_CHANGED",
            PublicEvent::RunPaused { .. } => "RUN_PAUSED",
            PublicEvent::RunResumed {} => "RUN_RESUMED",
            PublicEvent::RunCompleted { .. } => "RUN_COMPLETED",
            PublicEvent::RunFailed { .. } => "RUN_FAILED",
            PublicEvent::RunCanceled {} => "RUN_CANCELED",
            PublicEvent::StepStarted { .. } => "STEP_STARTED",
            PublicEvent::StepFinished { .. } => "STEP_FINISHED",
            PublicEvent::ReviewFinished { .. } => "REVIEW_FINISHED",
            PublicEvent::VerificationFinished { .. } => "VERIFICATION_FINISHED",
            PublicEvent::WatchdogRewrite { .. } => "WATCHDOG_REWRITE",
            PublicEvent::AgentLimited { .. } => "AGENT_LIMITED",
            PublicEvent::MergeStarted { .. } => "MERGE_STARTED",
            PublicEvent::MergeFinished { .. } => "MERGE_FINISHED",
            PublicEvent::MergeConflict { .. } => "MERGE_CONFLICT",
            PublicEvent::RunNamed { .. } => "RUN_NAMED",
            PublicEvent::WorktreeCreated { .. } => "WORKTREE_CREATED",
            PublicEvent::WorktreeRemoved { .. } => "WORKTREE_REMOVED",
            PublicEvent::PostmortemStart {} => "POSTMORTEM_START",
            PublicEvent::PostmortemEnd { .. } => "POSTMORTEM_END",
            PublicEvent::HandoverStateChanged { .. } => "HANDOVER_STATE_CHANGED",
            PublicEvent::HandoverFailed { .. } => "HANDOVER_FAILED",
            PublicEvent::PullRequestCreated { .. } => "PULL_REQUEST_CREATED",
            PublicEvent::SkillsDiscovered { .. } => "SKILLS_DISCOVERED",
            PublicEvent::SkillsSelected { .. } => "SKILLS_SELECTED",
            PublicEvent::SkillsLoadFailed { .. } => "SKILLS_LOAD_FAILED",
            PublicEvent::SkillsTruncated { .. } => "SKILLS_TRUNCATED",
        }
    }
}

impl PublicEvent {
    /// Whether it leaves something to do for a person: a hold that no person made, a failure, and work that is proved and
    /// that nobody merges but a person.
    pub fn needs_person(&self) -> bool {
        match self {
            PublicEvent::RunPaused { hold } => {
                hold.as_ref().is_none_or(|hold| hold.code != BY_PERSON)
            }
            PublicEvent::RunFailed { .. } => true,
            PublicEvent::RunCompleted { mode } => mode.starts_with(MergeStrategy::None.as_str()),
            PublicEvent::RunCreated { .. }
            | PublicEvent::RunQueued { .. }
            | PublicEvent::RunBlocked { .. }
            | PublicEvent::RunStarted { .. }
            | PublicEvent::RunStateChanged { .. }
            | PublicEvent::RunResumed {}
            | PublicEvent::RunCanceled {}
            | PublicEvent::StepStarted { .. }
            | PublicEvent::StepFinished { .. }
            | PublicEvent::ReviewFinished { .. }
            | PublicEvent::VerificationFinished { .. }
            | PublicEvent::WatchdogRewrite { .. }
            | PublicEvent::AgentLimited { .. }
            | PublicEvent::MergeStarted { .. }
            | PublicEvent::MergeFinished { .. }
            | PublicEvent::MergeConflict { .. }
            | PublicEvent::RunNamed { .. }
            | PublicEvent::WorktreeCreated { .. }
            | PublicEvent::WorktreeRemoved { .. }
            | PublicEvent::PostmortemStart {}
            | PublicEvent::PostmortemEnd { .. }
            // Whoever asked for it waits for the answer.
            | PublicEvent::HandoverStateChanged { .. }
            | PublicEvent::HandoverFailed { .. }
            | PublicEvent::PullRequestCreated { .. }
            | PublicEvent::SkillsDiscovered { .. }
            | PublicEvent::SkillsSelected { .. }
            | PublicEvent::SkillsLoadFailed { .. }
            | PublicEvent::SkillsTruncated { .. } => false,
        }
    }
}
