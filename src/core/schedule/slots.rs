//! The slots: who holds one, and the two caps over them. Derived from the queue each time, never counted by hand.

use super::{Gate, Policy, Queue, Waiting};
use std::collections::{BTreeMap, HashMap};

/// The slots in use, growing as the plan decides on starts.
pub(super) struct Slots<'a> {
    policy: &'a Policy,
    /// Every holder once, with its workspace: a survivor may stand in both lists of the queue.
    holders: BTreeMap<&'a str, &'a str>,
    by_workspace: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(queue: &'a Queue, policy: &'a Policy) -> Self {
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        let occupied = queue
            .occupied
            .iter()
            .map(|run| (run.id.as_str(), run.workspace.as_str()));
        let survivors = queue.waiting.iter().filter(|run| run.step_alive);
        let survivors = survivors.map(|run| (run.id.as_str(), run.workspace.as_str()));
        for (id, workspace) in occupied.chain(survivors) {
            let held = holders.entry(id).or_insert(workspace);
            // Two entries that disagree: any fixed choice will do, as long as the order of the lists does not matter.
            *held = workspace.min(*held);
        }
        let mut by_workspace: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, workspace) in &holders {
            by_workspace.entry(workspace).or_default().push(id);
        }
        Slots {
            policy,
            holders,
            by_workspace,
        }
    }

    /// Whether `run` itself holds a slot, because a step of it is not yet known to be gone.
    pub(super) fn held_by(&self, run: &Waiting) -> bool {
        self.holders.contains_key(run.id.as_str())
    }

    /// Whether no run at all could be started.
    pub(super) fn full(&self) -> bool {
        at_cap(self.holders.len(), self.policy.max_concurrent_runs)
    }

    /// Whether no run of this workspace could be started.
    pub(super) fn workspace_full(&self, workspace: &str) -> bool {
        let running = self.by_workspace.get(workspace).map_or(0, Vec::len);
        at_cap(running, self.policy.max_runs_per_workspace)
    }

    /// Counts a start.
    pub(super) fn take(&mut self, run: &'a Waiting) {
        self.holders.insert(&run.id, &run.workspace);
        self.by_workspace
            .entry(&run.workspace)
            .or_default()
            .push(&run.id);
    }

    /// The caps that hold `run`. Its own slot, which it would only keep, is not counted against it.
    pub(super) fn gates(&self, run: &Waiting) -> Vec<Gate> {
        let mut gates = Vec::new();
        let running = self.holders.len() - usize::from(self.held_by(run));
        let max = self.policy.max_concurrent_runs;
        if at_cap(running, max) {
            gates.push(Gate::GlobalCap {
                running: count(running),
                max,
            });
        }
        let others = self
            .by_workspace
            .get(run.workspace.as_str())
            .into_iter()
            .flatten();
        let mut holders: Vec<String> = others
            .filter(|id| **id != run.id)
            .map(|id| (*id).to_owned())
            .collect();
        let max = self.policy.max_runs_per_workspace;
        if at_cap(holders.len(), max) {
            holders.sort_unstable();
            gates.push(Gate::WorkspaceCap {
                workspace: run.workspace.clone(),
                running: count(holders.len()),
                max,
                holders,
            });
        }
        gates
    }
}

fn at_cap(running: usize, max: u32) -> bool {
    count(running) >= max
}

fn count(running: usize) -> u32 {
    u32::try_from(running).unwrap_or(u32::MAX)
}
