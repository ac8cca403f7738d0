//! Gates: why a queued run is not started now. Each is a true sentence with its data, and says what would open it.
//! Times are data (`until`); writing them for people belongs to the surfaces. Which of them stand is decided in `standing`
//! and `slots`.

use super::{RunRef, StoreLock, Unwritable};
use crate::core::time::Time;

use serde::{Deserialize, Serialize};

/// One reason why a queued run is not started.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// Every slot is in use.
    GlobalCap {
        /// Slots held by other runs, those just started included.
        running: u32,
        /// `max_concurrent_runs`.
        max: u32,
    },
    /// Every slot of the workspace is in use.
    WorkspaceCap {
        /// The canonical git common directory.
        workspace: String,
        /// Slots of it held by other runs, those just started included.
        running: u32,
        /// `max_runs_per_workspace`.
        max: u32,
        /// Who holds them, by id.
        holders: Vec<RunRef>,
    },
    /// The provider is under a usage limit that another run met.
    ProviderLimited {
        /// The agent's name.
        provider: String,
        /// When it is expected to reset.
        until: Time,
    },
    /// This run met a usage limit.
    Limit {
        /// When it is expected to reset.
        until: Time,
        /// What happened.
        message: String,
    },
    /// This run found too little room on a disk.
    Disk {
        /// When it looks again.
        until: Time,
        /// What happened.
        message: String,
    },
    /// A run that this one comes after has not ended.
    Dependency {
        /// That run.
        on: RunRef,
    },
    /// A run that this one comes after ended without being completed.
    DependencyFailed {
        /// That run.
        on: RunRef,
    },
    /// The run that this one comes after is not known.
    DependencyUnknown {
        /// That run.
        on: RunRef,
    },
    /// An earlier step of this run is not yet known to be gone.
    PreviousStepAlive,
    /// The daemon is shutting down.
    Draining,
    /// The daemon found too little room on its disk.
    LowDisk {
        /// When it looks again.
        until: Time,
        /// Which disk, how much is free and how much is needed.
        message: String,
    },
    /// This run found a place read-only that it has to write: its workspace, its worktree.
    ReadOnly {
        /// When it looks again.
        until: Time,
        /// What happened.
        message: String,
    },
    /// The daemon cannot write its own directory or its store.
    Unwritable {
        /// When it looks again.
        until: Time,
        /// Which place, and what to do.
        message: String,
    },
    /// The daemon cannot write its store, because somebody else holds the lock.
    Locked {
        /// When it tries again.
        until: Time,
        /// Which file, and what to do.
        message: String,
    },
}

impl From<Unwritable> for Gate {
    fn from(found: Unwritable) -> Self {
        Gate::Unwritable {
            until: found.until,
            message: found.message,
        }
    }
}

impl From<StoreLock> for Gate {
    fn from(found: StoreLock) -> Self {
        Gate::Locked {
            until: found.until,
            message: found.message,
        }
    }
}

impl Gate {
    /// The name of the gate, as it stands in JSON, in logs and in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Gate::GlobalCap { .. } => "global_cap",
            Gate::WorkspaceCap { .. } => "workspace_cap",
            Gate::ProviderLimited { .. } => "provider_limited",
            Gate::Limit { .. } => "limit",
            Gate::Disk { .. } => "disk",
            Gate::Dependency { .. } => "dependency",
            Gate::DependencyFailed { .. } => "dependency_failed",
            Gate::DependencyUnknown { .. } => "dependency_unknown",
            Gate::PreviousStepAlive => "previous_step_alive",
            Gate::Draining => "draining",
            Gate::LowDisk { .. } => "low_disk",
            Gate::ReadOnly { .. } => "read_only",
            Gate::Unwritable { .. } => "unwritable",
            Gate::Locked { .. } => "locked",
        }
    }

    /// When the gate opens by itself (or is looked at again); `None` where only an event opens it.
    pub fn until(&self) -> Option<Time> {
        match self {
            Gate::ProviderLimited { until, .. }
            | Gate::Limit { until, .. }
            | Gate::Disk { until, .. }
            | Gate::LowDisk { until, .. }
            | Gate::ReadOnly { until, .. }
            | Gate::Unwritable { until, .. }
            | Gate::Locked { until, .. } => Some(*until),
            Gate::GlobalCap { .. }
            | Gate::WorkspaceCap { .. }
            | Gate::Dependency { .. }
            | Gate::DependencyFailed { .. }
            | Gate::DependencyUnknown { .. }
            | Gate::PreviousStepAlive
            | Gate::Draining => None,
        }
    }

    /// What holds the run and what would open the gate, for people; the time of [`Gate::until`] is left to the surface.
    pub fn message(&self) -> String {
        match self {
            Gate::GlobalCap { running, max } => format!(
                "{running} of {max} slots are in use (max_concurrent_runs); opens when a run ends or is paused"
            ),
            Gate::WorkspaceCap { workspace, running, max, holders } => {
                let by = if holders.is_empty() { String::new() } else { format!(" by {}", holders.join(", ")) };
                format!(
                    "{running} of {max} slots of workspace {workspace} are in use{by} (max_runs_per_workspace); \
                     opens when one of them ends or is paused"
                )
            }
            Gate::ProviderLimited { provider, .. } => {
                format!("agent {provider} is under a usage limit; opens when the limit resets")
            }
            Gate::Limit { message, .. } => format!("{message}; opens when the limit resets"),
            Gate::Disk { message, .. } => format!("too little disk space: {message}; free some, it is looked at again"),
            Gate::Dependency { on } => format!("comes after run {on}; opens when that run is completed"),
            Gate::DependencyFailed { on } => format!(
                "comes after run {on}, which ended without being completed; opens when that run is retried and \
                 completed, else cancel this one"
            ),
            Gate::DependencyUnknown { on } => format!(
                "comes after run {on}, which is not known here; cancel this run and create it without that dependency"
            ),
            Gate::PreviousStepAlive => {
                "an earlier step of this run is still being stopped; opens when its last process is gone".to_owned()
            }
            Gate::Draining => "the daemon is shutting down and starts nothing; opens when it runs again".to_owned(),
            Gate::LowDisk { message, .. } => {
                format!("too little disk space for any run: {message}; free some, it is looked at again")
            }
            Gate::ReadOnly { message, .. } => {
                format!("a place that it has to write is read-only: {message}; make it writable, it is looked at again")
            }
            Gate::Unwritable { message, .. } => {
                format!("nothing can be written down, so nothing is started or goes on: {message}; it is looked at again")
            }
            Gate::Locked { message, .. } => format!("nothing can be written down, so nothing is started or goes on: {message}; it is tried again by itself"),
        }
    }
}
