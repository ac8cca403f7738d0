//! The daemon's policy: its caps and the order of the line. Read from the configuration, which validates it.

use serde::{Deserialize, Serialize};

/// How many runs may hold a slot, and who is next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Slots in all. 0 starts nothing.
    pub max_concurrent_runs: u32,
    /// Slots in one workspace. 0 starts nothing.
    pub max_runs_per_workspace: u32,
    /// The order within one priority.
    pub order: Order,
    /// With `newest_first`: so many younger starts may overtake a run that could start; then it goes first.
    pub aging_starts: u32,
}

/// The order within one priority, always over the queue sequence: never a clock, never an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Oldest first.
    #[default]
    Fifo,
    /// Youngest first, with the aging bound; among the aged, oldest first.
    NewestFirst,
}

impl Policy {
    /// The number of younger starts after which a run goes first. `fifo` is the case in which everybody has aged.
    pub(super) fn aging_bound(&self) -> u32 {
        match self.order {
            Order::Fifo => 0,
            Order::NewestFirst => self.aging_starts,
        }
    }
}
