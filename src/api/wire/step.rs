//! Steps (one process each) and the files of a run that were registered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which part of an iteration a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The agent works on a task.
    Implementation,
    /// An agent reviews it.
    Review,
    /// The checks.
    Verification,
    /// The evidence is judged.
    Watchdog,
    /// The branch reaches its target.
    Merge,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepStatus {
    /// Not started.
    Queued,
    /// Its process is alive.
    InProgress,
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed,
    /// It waits to be tried again.
    Retrying,
    /// It was stopped.
    Canceled,
}

/// The agent that a step called, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepAgent {
    /// Its name.
    pub name: String,
    /// Its version; `null` where it tells none.
    pub version: Option<String>,
    /// The session that it went on with; `null` for a fresh one.
    pub resumed_session: Option<String>,
}

/// One process of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its id: `<run id>.<generation>`.
    pub id: String,
    /// Its run.
    pub run_id: Uuid,
    /// Which part of the iteration.
    pub phase: Phase,
    /// Where it is.
    pub status: StepStatus,
    /// Its try, from 1.
    pub attempt: u32,
    /// The iteration it belongs to, from 1.
    pub iteration: u32,
    /// When its process was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// How its process ended; `null` while it runs or when a signal ended it.
    pub exit_code: Option<i32>,
    /// The agent that it called; `null` for a step of loopd's own, and before the agent was started.
    #[serde(default)]
    pub agent: Option<StepAgent>,
    /// The prompt that it was given, absolute.
    pub prompt_path: Option<String>,
    /// What it wrote, absolute.
    pub output_path: Option<String>,
    /// How far its process is confined; `null` for a step that has none.
    #[serde(default)]
    pub confinement: Option<StepConfinement>,
}

/// How far a process is confined to the places that it has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfinementLevel {
    /// Not at all, as `sandbox = "off"` asks.
    Off,
    /// Not at all, because it was not possible.
    None,
    /// But for what `lacks` tells.
    Partial,
    /// Wholly.
    Full,
}

/// How the process of a step is confined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepConfinement {
    /// How far.
    pub level: ConfinementLevel,
    /// The version of the kernel's Landlock; 0 where it has none, or nobody asked.
    pub landlock_abi: u32,
    /// What it can write although it should not, and why, in sentences.
    pub lacks: Vec<String>,
}

/// Reply of `GET /runs/{id}/steps`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepList {
    /// The steps.
    pub steps: Vec<Step>,
}

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// What it is.
    pub kind: String,
    /// Which copy it is: `global` (the data dir) or `workspace`.
    pub location: String,
    /// Absolute path.
    pub path: String,
    /// Hash of its content in hex; `null` while it is still written.
    pub sha256: Option<String>,
}

/// Reply of `GET /runs/{id}/artifacts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactList {
    /// The files.
    pub artifacts: Vec<Artifact>,
}
