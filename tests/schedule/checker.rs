//! What has to be true of every schedule, written without any of the scheduler's own machinery: the starts are
//! replayed one by one against a naive reading of the rules. Returns the names of the properties that do not hold.

use agent_loop::core::schedule::{
    DependencyState, Gate, Order, Policy, Queue, Schedule, Wait, Waiting,
};
use agent_loop::core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The scheduler, or a broken one.
pub type Planner = fn(&Queue, &Policy, Time) -> Schedule;

/// The naive reading: who holds a slot, and how often everybody was overtaken.
struct World<'a> {
    queue: &'a Queue,
    policy: &'a Policy,
    now: Time,
    holders: BTreeMap<String, String>,
    overtaken: BTreeMap<String, u32>,
    started: BTreeSet<String>,
}

impl<'a> World<'a> {
    fn new(queue: &'a Queue, policy: &'a Policy, now: Time) -> Self {
        let occupied = queue
            .occupied
            .iter()
            .map(|run| (run.id.clone(), run.workspace.clone()));
        let survivors = queue.waiting.iter().filter(|run| run.step_alive);
        let survivors = survivors.map(|run| (run.id.clone(), run.workspace.clone()));
        World {
            queue,
            policy,
            now,
            holders: occupied.chain(survivors).collect(),
            overtaken: queue
                .waiting
                .iter()
                .map(|run| (run.id.clone(), run.overtaken))
                .collect(),
            started: BTreeSet::new(),
        }
    }

    fn gates(&self, run: &Waiting) -> Vec<Gate> {
        let mut gates = Vec::new();
        let others: Vec<_> = self
            .holders
            .iter()
            .filter(|(id, _)| **id != run.id)
            .collect();
        let (running, max) = (others.len() as u32, self.policy.max_concurrent_runs);
        if running >= max {
            gates.push(Gate::GlobalCap { running, max });
        }
        let here = others
            .iter()
            .filter(|(_, workspace)| **workspace == run.workspace);
        let holders: Vec<String> = here.map(|(id, _)| (*id).clone()).collect();
        let (running, max) = (holders.len() as u32, self.policy.max_runs_per_workspace);
        if running >= max {
            let workspace = run.workspace.clone();
            gates.push(Gate::WorkspaceCap {
                workspace,
                running,
                max,
                holders,
            });
        }
        let limits = self
            .queue
            .limited
            .iter()
            .filter(|limit| limit.provider == run.provider);
        if let Some(until) = limits
            .map(|limit| limit.until)
            .max()
            .filter(|it| *it > self.now)
        {
            gates.push(Gate::ProviderLimited {
                provider: run.provider.clone(),
                until,
            });
        }
        if let Some(wait) = run.not_before.clone().filter(|wait| wait.until > self.now) {
            let (until, message) = (wait.until, wait.message);
            gates.push(match wait.why {
                Wait::Limit => Gate::Limit { until, message },
                Wait::Disk => Gate::Disk { until, message },
                Wait::ReadOnly => Gate::ReadOnly { until, message },
            });
        }
        for dependency in &run.after {
            let on = dependency.id.clone();
            match dependency.state {
                DependencyState::Completed => {}
                DependencyState::Pending => gates.push(Gate::Dependency { on }),
                DependencyState::Failed => gates.push(Gate::DependencyFailed { on }),
                DependencyState::Unknown => gates.push(Gate::DependencyUnknown { on }),
            }
        }
        if run.step_alive || self.queue.occupied.iter().any(|it| it.id == run.id) {
            gates.push(Gate::PreviousStepAlive);
        }
        if self.queue.draining {
            gates.push(Gate::Draining);
        }
        if let Some(disk) = self.queue.disk.clone().filter(|disk| disk.until > self.now) {
            gates.push(Gate::LowDisk {
                until: disk.until,
                message: disk.message,
            });
        }
        if let Some(it) = self
            .queue
            .read_only
            .clone()
            .filter(|it| it.until > self.now)
        {
            gates.push(Gate::Unwritable {
                until: it.until,
                message: it.message,
            });
        }
        if let Some(lock) = self
            .queue
            .locked
            .clone()
            .filter(|lock| lock.until > self.now)
        {
            gates.push(Gate::Locked {
                until: lock.until,
                message: lock.message,
            });
        }
        gates
    }

    fn waiting(&self) -> impl Iterator<Item = &'a Waiting> {
        self.queue
            .waiting
            .iter()
            .filter(|run| !self.started.contains(&run.id))
    }

    /// The key by which the line is ordered, smallest first.
    fn place(&self, run: &Waiting) -> (i64, bool, i128) {
        let seq = i128::from(run.seq);
        let fifo = self.policy.order == Order::Fifo;
        let aged = fifo || self.overtaken[&run.id] >= self.policy.aging_starts;
        (
            -i64::from(run.priority),
            !aged,
            if aged { seq } else { -seq },
        )
    }

    fn start(&mut self, run: &Waiting) {
        let older = self
            .waiting()
            .filter(|it| it.priority == run.priority && it.seq < run.seq);
        let passed: Vec<_> = older.filter(|it| self.gates(it).is_empty()).collect();
        for it in passed {
            *self.overtaken.entry(it.id.clone()).or_default() += 1;
        }
        self.holders.insert(run.id.clone(), run.workspace.clone());
        self.started.insert(run.id.clone());
    }
}

/// The names of the properties that the planner breaks on this input; empty when all hold.
pub fn broken(
    planner: Planner,
    queue: &Queue,
    policy: &Policy,
    now: Time,
) -> BTreeSet<&'static str> {
    let schedule = planner(queue, policy, now);
    let mut broken = BTreeSet::new();
    let mut world = World::new(queue, policy, now);
    for id in &schedule.start {
        let Some(run) = world.waiting().find(|run| run.id == *id) else {
            broken.insert("each start is a waiting run, once");
            return broken;
        };
        let gates = world.gates(run);
        if gates
            .iter()
            .any(|it| matches!(it, Gate::GlobalCap { .. } | Gate::WorkspaceCap { .. }))
        {
            broken.insert("no cap is exceeded");
        }
        if gates
            .iter()
            .any(|it| !matches!(it, Gate::GlobalCap { .. } | Gate::WorkspaceCap { .. }))
        {
            broken.insert("no gated run is started");
        }
        let startable = world.waiting().filter(|it| world.gates(it).is_empty());
        let next = startable.min_by_key(|it| world.place(it));
        if next.is_some_and(|next| next.id != run.id) {
            broken.insert("each start is the next in line that could start");
        }
        world.start(run);
    }
    if world.waiting().any(|run| world.gates(run).is_empty()) {
        broken.insert("no slot stays free while a run could start");
    }

    let mut line: Vec<_> = world.waiting().collect();
    line.sort_by_key(|run| world.place(run));
    let ids = |schedule: &Schedule| -> Vec<String> {
        schedule.held.iter().map(|held| held.id.clone()).collect()
    };
    let positions = schedule.held.iter().map(|held| held.position);
    if !positions.eq(1..=line.len() as u32)
        || !line.iter().map(|run| &run.id).eq(ids(&schedule).iter())
    {
        broken.insert("everybody else is held, at its place in line");
    }
    for held in &schedule.held {
        let Some(run) = line.iter().find(|run| run.id == held.id) else {
            continue;
        };
        let truth: BTreeSet<_> = world
            .gates(run)
            .iter()
            .map(|it| format!("{it:?}"))
            .collect();
        let said: BTreeSet<_> = held.gates.iter().map(|it| format!("{it:?}")).collect();
        if said.is_empty() {
            broken.insert("every held run names a gate");
        }
        if !said.is_subset(&truth) {
            broken.insert("every gate that is named is true");
        }
        if !truth.is_subset(&said) {
            broken.insert("every gate that is true is named");
        }
    }
    let opens = line
        .iter()
        .flat_map(|run| world.gates(run))
        .filter_map(|gate| gate.until());
    if schedule.wake_at != opens.min() {
        broken.insert("the wake-up is the earliest time at which a gate opens");
    }
    let raised = line
        .iter()
        .map(|run| (run.id.clone(), world.overtaken[&run.id]));
    let raised: BTreeMap<_, _> = raised
        .zip(&line)
        .filter(|((_, count), run)| *count != run.overtaken)
        .map(|(it, _)| it)
        .collect();
    let said = schedule
        .overtaken
        .iter()
        .map(|it| (it.id.clone(), it.overtaken));
    if said.collect::<BTreeMap<_, _>>() != raised {
        broken.insert("every overtaking is counted");
    }
    let mut turned = queue.clone();
    turned.waiting.reverse();
    turned.occupied.reverse();
    turned.limited.reverse();
    if planner(&turned, policy, now) != schedule || planner(queue, policy, now) != schedule {
        broken.insert("the plan is a function, and the order of its input does not matter");
    }
    broken
}
