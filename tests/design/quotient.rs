//! A graph of one run, made small for the search of several: nodes that look alike from outside, and lead by the same
//! acts to nodes that look alike, become one (bisimulation, by refinement). What the joint search asks about slots,
//! processes, gates and ends has the same answer in both.

use std::collections::{BTreeSet, HashMap};

use agent_loop::core::run::EventName;

use super::acts::Act;
use super::search::{Graph, Node};

/// What the joint search tells apart.
fn label(act: Act) -> u8 {
    match act {
        Act::Begins(_) | Act::Reports(..) | Act::Timer => 0,
        Act::GateOpens => 1,
        Act::Claim => 2,
        Act::Crash => 3,
        Act::Person(EventName::Retry | EventName::Reset) => 4,
        Act::Person(_) | Act::PersonCommits => 5,
    }
}

/// The nodes of the small graph; the first is where the run begins.
pub fn quotient(graph: &Graph) -> Vec<Node> {
    let nodes = &graph.nodes;
    let looks = |it: &Node| {
        format!(
            "{:?}",
            (
                it.state.kind(),
                it.alive,
                it.process,
                it.wait,
                it.waited,
                it.settled
            )
        )
    };
    let mut class = numbered(nodes.iter().map(looks));
    loop {
        let before: BTreeSet<usize> = class.iter().copied().collect();
        let leads = |(at, it): (usize, &Node)| {
            let ways = it.next.iter().map(|(act, to)| (label(*act), class[*to]));
            (class[at], ways.collect::<BTreeSet<_>>())
        };
        let finer = numbered(nodes.iter().enumerate().map(leads));
        let same = finer.iter().collect::<BTreeSet<_>>().len() == before.len();
        class = finer;
        if same {
            break;
        }
    }
    let mut small: Vec<Node> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if class[at] == small.len() {
            let mut node = node.clone();
            let mut seen = BTreeSet::new();
            node.next.iter_mut().for_each(|(_, to)| *to = class[*to]);
            node.next
                .retain(|(act, to)| seen.insert((label(*act), *to)));
            small.push(node);
        }
    }
    small
}

/// Equal things get equal numbers, in the order in which they first appear.
fn numbered<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut known = HashMap::new();
    let number = |key| {
        let next = known.len();
        *known.entry(key).or_insert(next)
    };
    keys.map(number).collect()
}
