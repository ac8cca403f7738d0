//! What the scheduler decided, as it decided it: for one run and for the whole queue. Gates are named by the scheduler.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One reason why a queued run does not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gate {
    /// Stable name.
    pub gate: String,
    /// For a person.
    pub message: String,
    /// When it opens, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Reply of `GET /runs/{id}/why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyReply {
    /// Id of the run.
    pub run: Uuid,
    /// Its state.
    pub state: String,
    /// Every gate that holds it; for a paused run its hold; empty for one that is not held.
    pub gates: Vec<Gate>,
    /// Place in the queue, from 1; `null` when it is not queued.
    pub position: Option<u32>,
    /// When the scheduler looks again by itself; `null`: only when something changes.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub wake_at: Option<Timestamp>,
}

/// Reply of `GET /queue`: the whole schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueReply {
    /// What starts next, in order.
    pub starting: Vec<QueuedRun>,
    /// What is held, in queue order.
    pub held: Vec<HeldRun>,
    /// What holds a slot.
    pub running: Vec<QueuedRun>,
    /// By which rules.
    pub policy: PolicyView,
    /// When the scheduler looks again by itself; `null`: only when something changes.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub wake_at: Option<Timestamp>,
}

/// A run as the schedule names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuedRun {
    /// Its id.
    pub run: Uuid,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Higher goes first.
    pub priority: i32,
    /// Absolute path of its workspace.
    pub workspace_root: String,
}

/// A run that waits, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldRun {
    /// The run.
    #[serde(flatten)]
    pub run: QueuedRun,
    /// Place in the queue, from 1.
    pub position: u32,
    /// Every gate that holds it; at least one.
    pub gates: Vec<Gate>,
}

/// The rules of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// `fifo` or `newest_first`.
    pub queue_policy: String,
    /// Slots of the daemon.
    pub max_concurrent_runs: u32,
    /// Slots of one workspace.
    pub max_runs_per_workspace: u32,
    /// How many younger starts may overtake one run.
    pub aging_starts: u32,
}
