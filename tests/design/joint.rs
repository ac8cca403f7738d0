//! Several runs under the scheduler, every interleaving. A run is one node of its own graph (`search`), so that a joint
//! state is a few numbers and the order of the line. Who starts is asked of `schedule::plan` itself, over a queue that is
//! built as `store::queue_snapshot` builds it. A crash takes all runs at once.

use std::collections::{BTreeSet, HashMap, VecDeque};

use agent_loop::core::machine::Kind;
use agent_loop::core::run::EventName;
use agent_loop::core::schedule::{Order, Policy, Schedule, plan};
use agent_loop::core::time::Time;

use super::acts::Act;
use super::answers::Agent;
use super::line::{holds_slot, queue};
use super::quotient::quotient;
use super::scopes::{CALM, PERSON, terms};
use super::search::{Graph, Node, explore};
use super::world::{Machine, REAL, Scope, World};

pub const CAPS: &str = "no cap is exceeded, by slots or by processes";
pub const STARTS: &str = "only a run that may start is started";
pub const GATES: &str = "every queued run is started or names a gate";
pub const LOST_SLOT: &str = "a slot is free again when nothing is left to be done";
pub const ALL_END: &str = "all runs can end";

/// Runs with their places in the line: up to three.
type Joint = (Vec<usize>, Vec<usize>);

/// What is searched.
pub struct Room {
    pub workspaces: &'static [&'static str],
    pub policy: Policy,
}

pub fn room(workspaces: &'static [&'static str], runs: u32, each: u32) -> Room {
    Room {
        workspaces,
        policy: Policy {
            max_concurrent_runs: runs,
            max_runs_per_workspace: each,
            order: Order::Fifo,
            aging_starts: 0,
        },
    }
}

/// What the search saw.
pub struct Seen {
    pub states: usize,
    pub broken: BTreeSet<&'static str>,
    /// The most processes that were alive at once.
    pub busiest: usize,
    pub crashes: usize,
}

pub fn search(graph: &[Node], room: &Room) -> Seen {
    let mut seen = Seen {
        states: 0,
        broken: BTreeSet::new(),
        busiest: 0,
        crashes: 0,
    };
    let start = (
        vec![0; room.workspaces.len()],
        (0..room.workspaces.len()).collect(),
    );
    let mut known = HashMap::from([(pack(&start), 0)]);
    let mut open = VecDeque::from([start]);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut good = Vec::new();
    let mut plans = HashMap::new();
    while let Some(joint) = open.pop_front() {
        let at = seen.states;
        seen.states += 1;
        let nodes: Vec<&Node> = joint.0.iter().map(|it| &graph[*it]).collect();
        good.push(nodes.iter().all(|it| it.settled));
        within_caps(&nodes, room, &mut seen);
        let next = next(graph, &nodes, &joint, room, &mut plans, &mut seen);
        for to in next {
            let fresh = before.len();
            let to_at = *known.entry(pack(&to)).or_insert(fresh);
            if to_at == fresh {
                before.push(Vec::new());
                open.push_back(to);
            }
            before[to_at].push(at);
        }
    }
    let mut reached: Vec<usize> = (0..good.len()).filter(|at| good[*at]).collect();
    while let Some(at) = reached.pop() {
        for from in &before[at] {
            if !std::mem::replace(&mut good[*from], true) {
                reached.push(*from);
            }
        }
    }
    if good.contains(&false) {
        seen.broken.insert(ALL_END);
    }
    seen
}

fn pack((nodes, order): &Joint) -> u64 {
    let nodes = nodes.iter().fold(0, |key, it| key << 18 | *it as u64);
    order.iter().fold(nodes, |key, it| key << 2 | *it as u64)
}

fn next(
    graph: &[Node],
    nodes: &[&Node],
    joint: &Joint,
    room: &Room,
    plans: &mut HashMap<String, Schedule>,
    seen: &mut Seen,
) -> Vec<Joint> {
    let mut all = Vec::new();
    for (run, node) in nodes.iter().enumerate() {
        for (act, to) in &node.next {
            if matches!(act, Act::Claim | Act::Crash) {
                continue;
            }
            let (mut runs, mut order) = joint.clone();
            runs[run] = *to;
            if let Act::Person(EventName::Retry | EventName::Reset) = act {
                order.retain(|it| *it != run);
                order.push(run);
            }
            all.push((act.is_work() || *act == Act::GateOpens, (runs, order)));
        }
    }
    if nodes.iter().any(|it| crashed(it).is_some()) {
        seen.crashes += 1;
        let after = nodes.iter().zip(&joint.0);
        let after = after.map(|(it, at)| crashed(it).unwrap_or(*at));
        all.push((true, (after.collect(), joint.1.clone())));
    }
    let queue = queue(nodes, &joint.1, room);
    let key = format!("{queue:?}");
    let schedule = plans
        .entry(key)
        .or_insert_with(|| plan(&queue, &room.policy, Time(5)));
    let mut runs = joint.0.clone();
    for id in &schedule.start {
        let run: usize = id.parse().expect("a number");
        let claimed = graph[runs[run]]
            .next
            .iter()
            .find(|(act, _)| *act == Act::Claim);
        match claimed {
            Some((_, to)) => runs[run] = *to,
            None => drop(seen.broken.insert(STARTS)),
        }
    }
    if schedule.start.len() + schedule.held.len() != queue.waiting.len()
        || schedule.held.iter().any(|it| it.gates.is_empty())
    {
        seen.broken.insert(GATES);
    }
    if !schedule.start.is_empty() {
        all.push((true, (runs, joint.1.clone())));
    }
    if !all.iter().any(|(work, _)| *work) {
        let rests = |it: &&Node| !it.alive && matches!(it.state.kind(), Kind::Held | Kind::Ended);
        if !nodes.iter().all(rests) {
            seen.broken.insert(LOST_SLOT);
        }
    }
    all.into_iter().map(|(_, it)| it).collect()
}

/// The run after a crash; `None` where it changes nothing.
fn crashed(node: &Node) -> Option<usize> {
    let crash = node.next.iter().find(|(act, _)| *act == Act::Crash);
    crash.map(|(_, to)| *to)
}

fn within_caps(nodes: &[&Node], room: &Room, seen: &mut Seen) {
    let most = |of: &dyn Fn(&Node) -> bool| {
        let all = nodes.iter().filter(|it| of(it)).count();
        let each = room.workspaces.iter().map(|place| {
            let here = nodes
                .iter()
                .zip(room.workspaces)
                .filter(|(_, it)| *it == place);
            here.filter(|(it, _)| of(it)).count()
        });
        (all, each.max().unwrap_or(0))
    };
    let caps = (
        room.policy.max_concurrent_runs as usize,
        room.policy.max_runs_per_workspace as usize,
    );
    let (slots, processes) = (most(&holds_slot), most(&|it: &Node| it.process));
    seen.busiest = seen.busiest.max(processes.0);
    for (all, each) in [slots, processes] {
        if all > caps.0 || each > caps.1 {
            seen.broken.insert(CAPS);
        }
    }
}

/// One run of those that are searched together: few words, but a person's, and every crash.
pub fn one(machine: Machine, person: &'static [EventName], agent: &'static [Agent]) -> Graph {
    let scope = Scope {
        agent,
        person,
        ..CALM
    };
    explore(World::new(terms()), machine, &scope, None)
}

#[test]
fn always_several_runs_keep_the_caps_and_all_of_them_can_end() {
    use EventName::{Cancel, Pause, Reset, Resume, Retry};
    let all = one(REAL, PERSON, &[Agent::Finishes]);
    let limits = one(
        REAL,
        &[Pause, Resume, Cancel, Reset],
        &[Agent::Finishes, Agent::Limited],
    );
    let calm = one(REAL, &[Cancel, Retry], &[Agent::Finishes]);
    let searches = [
        ("two in one workspace", &all, room(&["a", "a"], 2, 1), 1),
        (
            "two in one workspace for two",
            &all,
            room(&["a", "a"], 2, 2),
            2,
        ),
        (
            "two in two, one at a time",
            &limits,
            room(&["a", "b"], 1, 1),
            1,
        ),
        (
            "three in two, two at a time",
            &calm,
            room(&["a", "a", "b"], 2, 1),
            2,
        ),
    ];
    for (name, graph, room, busiest) in searches {
        assert!(graph.broken.is_empty(), "{name}: {:#?}", graph.broken);
        let small = quotient(graph);
        let seen = search(&small, &room);
        let (states, crashes) = (seen.states, seen.crashes);
        println!(
            "{name}: {} nodes each, {states} joint states, {crashes} with a crash",
            small.len()
        );
        assert_eq!(seen.broken, BTreeSet::new(), "{name}");
        assert_eq!(seen.busiest, busiest, "{name}: the caps are met");
        assert!(states > 500 && crashes > 50, "{name}: too little was seen");
    }
}
