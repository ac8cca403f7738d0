//! What has to hold for the table as a whole: every cell said once, every state reachable and able to end, and the
//! `always` obligations. Only read, never repaired: a broken obligation names each edge that breaks it.

use std::collections::BTreeSet;

use super::cells::Edge;
use super::check::unknown;
use super::model::{Always, Kind, Machine};

pub fn problems(machine: &Machine, found: &mut Vec<String>) {
    for (state, event) in machine.pairs() {
        let cell = format!("the cell `{}` on `{}`", state.name, event.name);
        match machine.cell(state, event).len() {
            0 => found.push(format!("{cell} is missing: move, refuse or ignore it")),
            1 => {}
            times => found.push(format!("{cell} is said {times} times")),
        }
    }
    let (initial, edges) = (&machine.head.initial, machine.edges());
    let reachable = reach(&edges, initial, None);
    for state in &machine.states {
        if !reachable.contains(state.name.as_str()) {
            found.push(format!(
                "the state `{}` cannot be reached from `{initial}`",
                state.name
            ));
        }
        let ahead = reach(&edges, &state.name, None);
        if !ahead
            .into_iter()
            .any(|name| kind(machine, name) == Some(Kind::Ended))
        {
            found.push(format!(
                "the state `{}` cannot reach a state that has ended",
                state.name
            ));
        }
    }
    for rule in &machine.always {
        unknown_names(machine, rule, found);
        always(machine, &edges, rule, found);
    }
}

fn kind(machine: &Machine, state: &str) -> Option<Kind> {
    machine.state(state).map(|state| state.kind)
}

/// The states that `from` leads to, itself included, without entering `around`.
fn reach<'a>(edges: &'a [Edge], from: &'a str, around: Option<&str>) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(state) = next.pop() {
        if Some(state) != around && seen.insert(state) {
            next.extend(
                edges
                    .iter()
                    .filter(|edge| edge.from.name == state)
                    .map(|edge| edge.to),
            );
        }
    }
    seen
}

fn unknown_names(machine: &Machine, rule: &Always, found: &mut Vec<String>) {
    let (states, update, effect): (Vec<&String>, _, _) = match rule {
        Always::PassThrough { to, through, .. } => (vec![to, through], None, None),
        Always::EffectWhenLeaving { effect, .. } => (vec![], None, Some(effect)),
        Always::UpdateWhenLeaving {
            state,
            except,
            update,
            ..
        } => (except.iter().chain([state]).collect(), Some(update), None),
        Always::UpdateWhenEntering { state, update, .. } => {
            (state.iter().collect(), Some(update), None)
        }
        Always::OnlyFrom { to, from, .. } => (from.iter().chain([to]).collect(), None, None),
    };
    let names = machine.names();
    unknown("always", "state", states, &names.states, found);
    unknown("always", "update", update, &names.updates, found);
    unknown("always", "effect", effect, &names.effects, found);
}

fn always(machine: &Machine, edges: &[Edge], rule: &Always, found: &mut Vec<String>) {
    let kind = |name: &str| kind(machine, name);
    let mut breaks = |edge: &Edge, must: &str, because: &str| {
        let (from, to, label) = (&edge.from.name, edge.to, edge.label());
        found.push(format!(
            "always: {from} -> {to} on {label} has to {must} ({because})"
        ));
    };
    match rule {
        Always::PassThrough {
            to,
            through,
            because,
        } => {
            if reach(edges, &machine.head.initial, Some(through)).contains(to.as_str()) {
                found.push(format!(
                    "always: `{to}` can be reached around `{through}` ({because})"
                ));
            }
        }
        Always::EffectWhenLeaving {
            group,
            sent_by,
            effect,
            because,
        } => {
            let leaves = |edge: &&Edge| edge.from.kind == *group && kind(edge.to) != Some(*group);
            let sent = |edge: &&Edge| sent_by.is_none_or(|source| edge.event.from == source);
            for edge in edges.iter().filter(leaves).filter(sent) {
                if !edge.target.effects.contains(effect) {
                    breaks(edge, &format!("carry the effect `{effect}`"), because);
                }
            }
        }
        Always::UpdateWhenLeaving {
            state,
            except,
            update,
            because,
        } => {
            let leaves = |edge: &&Edge| edge.from.name == *state && edge.to != state;
            let bound = |edge: &&Edge| !except.iter().any(|name| name == edge.to);
            for edge in edges.iter().filter(leaves).filter(bound) {
                if !edge.updates(update) {
                    breaks(edge, &format!("carry the update `{update}`"), because);
                }
            }
        }
        Always::UpdateWhenEntering {
            group,
            state,
            update,
            because,
        } => {
            if group.is_some() == state.is_some() {
                found.push("always: update_when_entering takes a group or a state".to_owned());
                return;
            }
            let inside = |name: &str| match state {
                Some(state) => state == name,
                None => kind(name) == *group,
            };
            let enters = |edge: &&Edge| inside(edge.to) && !inside(&edge.from.name);
            for edge in edges.iter().filter(enters) {
                if !edge.updates(update) {
                    breaks(edge, &format!("carry the update `{update}`"), because);
                }
            }
        }
        Always::OnlyFrom { to, from, because } => {
            let enters = |edge: &&Edge| edge.to == to && edge.from.name != *to;
            for edge in edges.iter().filter(enters) {
                if !from.contains(&edge.from.name) {
                    breaks(edge, &format!("come from {}", from.join(" or ")), because);
                }
            }
        }
    }
}
