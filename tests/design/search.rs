//! Every path of one run in a scope, breadth first, and what has to be true of the whole graph: every run can go on, can
//! end, and never works for ever by itself. What counts as the same world is `canonical`'s affair.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use agent_loop::core::run::{EDGES, EventName, State, WaitWhy};

use super::acts::{Act, Next, claim, is_startable, may_rest, next};
use super::canonical::{canonical, key};
use super::world::{Machine, Scope, World};

pub const NO_EXIT: &str =
    "a run that has not ended can go on, waits for a gate with a time, or for a person";
pub const CANNOT_END: &str = "every run can end";
pub const CANNOT_END_WELL: &str = "every run can end without being canceled or started anew";
pub const FOR_EVER: &str = "no run works for ever without a person";

/// What the search for several runs has to know of one.
#[derive(Clone, Debug)]
pub struct Node {
    pub state: State,
    pub alive: bool,
    pub process: bool,
    pub wait: Option<WaitWhy>,
    pub waited: bool,
    pub settled: bool,
    pub next: Vec<(Act, usize)>,
}

/// Every reachable world of one run.
pub struct Graph {
    pub nodes: Vec<Node>,
    came: Vec<Option<(usize, Act)>>,
    /// The declared edges that were taken, by their place in the table.
    pub taken: BTreeSet<usize>,
    /// The laws that were broken, with a shortest way there.
    pub broken: BTreeMap<&'static str, String>,
}

/// Nodes that a scope may have; more than that is a mistake in the test.
const MOST: usize = 60_000;

/// Walks every path; or, with a law to be broken, until it is.
pub fn explore(start: World, machine: Machine, scope: &Scope, until: Option<&str>) -> Graph {
    let mut graph = Graph {
        nodes: Vec::new(),
        came: Vec::new(),
        taken: BTreeSet::new(),
        broken: BTreeMap::new(),
    };
    let mut known = HashMap::new();
    let mut open = VecDeque::new();
    graph.find(start, None, &mut known, &mut open);
    while let Some((at, world)) = open.pop_front() {
        let mut nexts = next(&world, machine, scope);
        if is_startable(&world) {
            nexts.push(claim(&world, machine));
        }
        if !may_rest(&world) && !nexts.iter().any(|it| goes_on(it.act)) {
            graph.breaks(NO_EXIT, at, None);
        }
        for Next { act, world, told } in nexts {
            for law in told.broken {
                graph.breaks(law, at, Some(act));
            }
            graph
                .taken
                .extend(told.edge.and_then(|it| EDGES.iter().position(|e| *e == it)));
            let to = graph.find(world, Some((at, act)), &mut known, &mut open);
            graph.nodes[at].next.push((act, to));
        }
        if until.is_some_and(|law| graph.broken.contains_key(law)) {
            return graph;
        }
        assert!(graph.nodes.len() <= MOST, "the scope is too large");
    }
    graph.ends();
    graph
}

fn goes_on(act: Act) -> bool {
    act.is_work() || act == Act::GateOpens
}

impl Graph {
    fn find(
        &mut self,
        mut world: World,
        came: Option<(usize, Act)>,
        known: &mut HashMap<u64, usize>,
        open: &mut VecDeque<(usize, World)>,
    ) -> usize {
        canonical(&mut world);
        let at = *known.entry(key(&world)).or_insert(self.nodes.len());
        if at == self.nodes.len() {
            self.nodes.push(Node {
                state: world.state,
                alive: world.facts.step.is_some(),
                process: world.process.is_some(),
                wait: world.facts.wait.as_ref().map(|it| it.why),
                waited: world.waited,
                settled: world.is_settled(),
                next: Vec::new(),
            });
            self.came.push(came);
            open.push_back((at, world));
        }
        at
    }

    fn breaks(&mut self, law: &'static str, at: usize, last: Option<Act>) {
        if self.broken.contains_key(law) {
            return;
        }
        let mut acts: Vec<String> = last.iter().map(|act| format!("{act:?}")).collect();
        let mut at = Some(at);
        while let Some(node) = at {
            acts.push(format!("[{}]", self.nodes[node].state));
            at = self.came[node].map(|(before, act)| {
                acts.push(format!("{act:?}"));
                before
            });
        }
        acts.reverse();
        self.broken.insert(law, acts.join(" "));
    }

    /// The laws about the whole graph.
    fn ends(&mut self) {
        for (law, may) in [
            (CANNOT_END, (|_| true) as fn(Act) -> bool),
            (CANNOT_END_WELL, |act| match act {
                Act::Person(event) => event == EventName::Resume,
                _ => true,
            }),
        ] {
            let settled = self.nodes.iter().map(|it| it.settled).collect();
            if let Some(stuck) = cannot_reach(&self.nodes, settled, may) {
                self.breaks(law, stuck, None);
            }
        }
        if let Some(at) = circle(&self.nodes) {
            self.breaks(FOR_EVER, at, None);
        }
    }

    /// The states that were visited.
    pub fn states(&self) -> BTreeSet<&'static str> {
        self.nodes.iter().map(|it| it.state.as_str()).collect()
    }
}

/// A node from which none of the `good` ones can be reached by acts that `may` be taken.
fn cannot_reach(nodes: &[Node], mut good: Vec<bool>, may: fn(Act) -> bool) -> Option<usize> {
    let mut before = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for (_, to) in node.next.iter().filter(|(act, _)| may(*act)) {
            before[*to].push(at);
        }
    }
    let mut open: Vec<usize> = (0..nodes.len()).filter(|at| good[*at]).collect();
    while let Some(at) = open.pop() {
        for from in &before[at] {
            if !good[*from] {
                good[*from] = true;
                open.push(*from);
            }
        }
    }
    good.iter().position(|it| !it)
}

/// A node on a circle of work alone. Nodes are taken away that lead nowhere; what is left lies on or before a circle.
fn circle(nodes: &[Node]) -> Option<usize> {
    let mut before = vec![Vec::new(); nodes.len()];
    let mut left = vec![0_usize; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for (_, to) in node.next.iter().filter(|(act, _)| act.is_work()) {
            before[*to].push(at);
            left[at] += 1;
        }
    }
    let mut open: Vec<usize> = (0..nodes.len()).filter(|at| left[*at] == 0).collect();
    while let Some(at) = open.pop() {
        for from in &before[at] {
            left[*from] -= 1;
            if left[*from] == 0 {
                open.push(*from);
            }
        }
    }
    left.iter().position(|it| *it > 0)
}
