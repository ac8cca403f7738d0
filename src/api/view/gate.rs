//! Gates and the policy of the queue.

use crate::api::wire::{self, stamp};
use crate::core::schedule::{Gate, Order, Policy};

/// The gate as a client sees it.
pub(crate) fn gate(gate: &Gate) -> wire::Gate {
    wire::Gate {
        gate: gate.name().to_owned(),
        message: gate.message(),
        until: gate.until().map(stamp),
    }
}

/// The gates of a queued run in the place of its hold: the first of them, and how many more there are.
pub(crate) fn waiting(gates: &[Gate]) -> Option<wire::Hold> {
    let (first, more) = gates.split_first()?;
    let message = match more.len() {
        0 => first.message(),
        more => format!("{}; and {more} more (see why)", first.message()),
    };
    Some(wire::Hold {
        gate: first.name().to_owned(),
        until: first.until().map(stamp),
        message,
    })
}

/// The rules of the queue.
pub(crate) fn policy(policy: &Policy) -> wire::PolicyView {
    wire::PolicyView {
        queue_policy: match policy.order {
            Order::Fifo => "fifo",
            Order::NewestFirst => "newest_first",
        }
        .to_owned(),
        max_concurrent_runs: policy.max_concurrent_runs,
        max_runs_per_workspace: policy.max_runs_per_workspace,
        aging_starts: policy.aging_starts,
    }
}
