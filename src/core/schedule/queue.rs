//! What the scheduler looks at: the waiting runs, the slots in use, and what is known of the outside. Plain data, read
//! from the store in one go; no decision is made here.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// The id of a run. The scheduler only compares it.
pub type RunRef = String;

/// A snapshot of everything that matters to the next starts. The order of its lists does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Runs that want a slot.
    pub waiting: Vec<Waiting>,
    /// Runs that hold a slot. A run may stand in `waiting` too (its step is not yet gone): it is counted once.
    pub occupied: Vec<Occupied>,
    /// The daemon is shutting down and starts nothing.
    pub draining: bool,
    /// The last look at the disk, when it found too little room.
    pub disk: Option<LowDisk>,
    /// The store could not be written when it was last tried, because somebody else holds its lock.
    pub locked: Option<StoreLock>,
    /// The daemon's own place could not be written when it was last looked at.
    pub read_only: Option<Unwritable>,
    /// Providers under a usage limit: it holds the other queued runs of the provider too.
    pub limited: Vec<ProviderLimit>,
}

/// A run that wants a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which run.
    pub id: RunRef,
    /// Its place in the queue: unique, kept by a pause or a limit, renewed by a retry. Smaller is older.
    pub seq: u64,
    /// Higher goes first.
    pub priority: i32,
    /// The canonical git common directory of its workspace.
    pub workspace: String,
    /// The agent that it would use next.
    pub provider: String,
    /// Younger runs of its priority that were started while it could have been, so far.
    pub overtaken: u32,
    /// It must not start earlier.
    pub not_before: Option<NotBefore>,
    /// The runs that have to be completed first.
    pub after: Vec<Dependency>,
    /// A step of it is not yet known to be gone: it holds a slot, and is counted exactly once, while it waits.
    pub step_alive: bool,
}

/// A run that holds a slot: its state is active, or a step of it is not yet known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupied {
    /// Which run.
    pub id: RunRef,
    /// The canonical git common directory of its workspace.
    pub workspace: String,
    /// The agent that it uses.
    pub provider: String,
}

/// A time before which a run is not started. It opens at `until`, that millisecond included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotBefore {
    /// When it opens.
    pub until: Time,
    /// What is waited for.
    pub why: Wait,
    /// What happened, for people.
    pub message: String,
}

/// What a run with a [`NotBefore`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The usage limit of its provider.
    Limit,
    /// Room on the disk; looked at again then.
    Disk,
    /// A place that can be written; looked at again then.
    ReadOnly,
}

/// A run that has to be completed before another starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The run waited for.
    pub id: RunRef,
    /// How it stands.
    pub state: DependencyState,
}

/// How the run that is waited for stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyState {
    /// Completed: holds nobody.
    Completed,
    /// Not ended yet.
    Pending,
    /// Ended otherwise: failed or canceled.
    Failed,
    /// No such run is known. It holds, as a failed one does: a start cannot be taken back.
    Unknown,
}

/// Too little room, as measured. A reading is trusted until `until`; whoever plans later measures again first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowDisk {
    /// When to look again.
    pub until: Time,
    /// Which disk, how much is free and how much is needed.
    pub message: String,
}

/// Somebody else holds the lock of the store: no claim can be written. Trusted until `until`; then it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreLock {
    /// When it is tried again.
    pub until: Time,
    /// Which file, and what to do.
    pub message: String,
}

/// The daemon's directory or its store cannot be written: nothing can be begun. Trusted until `until`; whoever plans later
/// looks again first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwritable {
    /// When to look again.
    pub until: Time,
    /// Which place, and what to do.
    pub message: String,
}

/// A provider that answers no requests until a known time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLimit {
    /// The agent's name.
    pub provider: String,
    /// When the limit is expected to reset.
    pub until: Time,
}
