//! What has to hold before a line of Rust is generated: every name known, every cell said once, every obligation kept.
//! All problems are collected and none hides another; each names its row and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Always, Cell, Edge, Kind, Machine, Source};

/// Every problem of a table, in the order in which a reader would fix them.
pub fn problems(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    names(machine, &mut found);
    rows(machine, &mut found);
    timers(machine, &mut found);
    usage(machine, &mut found);
    cells(machine, &mut found);
    graph(machine, &mut found);
    for rule in &machine.always {
        always(machine, rule, &mut found);
    }
    found
}

/// Names become Rust and SQL: lower-case words that begin with a letter, so that `AgentDone` reads back as `agent_done`.
fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.split('_').all(word) && syn::parse_str::<syn::Ident>(name).is_ok()
}

fn names(machine: &Machine, found: &mut Vec<String>) {
    let mut all = vec![("machine", &machine.head.name)];
    for state in &machine.states {
        all.push(("state", &state.name));
        all.extend(state.needs.iter().map(|fact| ("fact", fact)));
    }
    for event in &machine.events {
        all.push(("event", &event.name));
        all.extend(event.data.keys().map(|field| ("field", field)));
        for (field, kind) in &event.data {
            if kind
                .as_str()
                .is_none_or(|kind| syn::parse_str::<syn::Type>(kind).is_err())
            {
                found.push(format!(
                    "events.{}: `{field} = {kind}` is not a Rust type",
                    event.name
                ));
            }
            if field == "event" || (field == "generation" && event.from == Source::Worker) {
                found.push(format!(
                    "events.{}: the field `{field}` is there already",
                    event.name
                ));
            }
        }
    }
    all.extend(
        machine
            .effects
            .iter()
            .map(|effect| ("effect", &effect.name)),
    );
    all.extend(machine.timers.iter().map(|timer| ("due", &timer.due)));
    for choice in &machine.choices {
        all.extend(choice.answers.iter().map(|answer| ("answer", answer)));
    }
    let mut methods: BTreeMap<&str, &str> = BTreeMap::from([
        ("generation", "rule"),
        ("begin_step", "rule"),
        ("stop_step", "rule"),
    ]);
    let updates = machine
        .updates
        .iter()
        .map(|update| ("update", &update.name));
    for (what, name) in updates.chain(
        machine
            .choices
            .iter()
            .map(|choice| ("choice", &choice.name)),
    ) {
        all.push((what, name));
        if let Some(other) = methods.insert(name, what) {
            found.push(format!(
                "the {what} `{name}` has the name of a {other}: both are methods of one trait"
            ));
        }
    }
    for timer in &machine.timers {
        if let Some(other) = methods.get(timer.due.as_str()) {
            found.push(format!(
                "the due `{}` has the name of a {other}: both are methods of one trait",
                timer.due
            ));
        }
    }
    for (what, name) in all {
        if !is_name(name) {
            found.push(format!("the {what} name `{name}` is not snake_case (words of a-z and 0-9, no keyword of Rust)"));
        }
    }
    for choice in machine.choices.iter().filter(|c| {
        [
            "state",
            "event",
            "event_name",
            "effect",
            "rules",
            "edge",
            "cell",
        ]
        .contains(&c.name.as_str())
    }) {
        found.push(format!(
            "the choice name `{}` is that of a generated type",
            choice.name
        ));
    }
    for reserved in machine.states.iter().filter(|state| state.name == "same") {
        found.push(format!(
            "a state cannot be called `{}`: it stands for the state before",
            reserved.name
        ));
    }
    if machine.state(&machine.head.initial).is_none() {
        found.push(format!(
            "[machine]: unknown initial state `{}`",
            machine.head.initial
        ));
    }
    for effect in machine
        .effects
        .iter()
        .filter(|effect| effect.stops && effect.step.is_some())
    {
        found.push(format!(
            "effects.{}: an effect either begins a step or stops one",
            effect.name
        ));
    }
}

/// Every name that a row uses, and whether its targets are the answers of its choice.
fn rows(machine: &Machine, found: &mut Vec<String>) {
    for row in &machine.transitions {
        let at = format!("transition from {} on {}", list(&row.from), list(&row.on));
        known_states(machine, &at, &row.from, found);
        known_events(machine, &at, &row.on, found);
        let known = |name: &&String| !machine.updates.iter().any(|update| update.name == **name);
        for target in &row.targets {
            if target.state != "same" && machine.state(&target.state).is_none() {
                found.push(format!("{at}: unknown state `{}`", target.state));
            }
            for update in target.update.iter().filter(known) {
                found.push(format!("{at}: unknown update `{update}`"));
            }
            for effect in target
                .effects
                .iter()
                .filter(|name| !machine.effects.iter().any(|e| e.name == **name))
            {
                found.push(format!("{at}: unknown effect `{effect}`"));
            }
        }
        for update in row.record.iter().filter(known) {
            found.push(format!("{at}: unknown update `{update}`"));
        }
        let targets: BTreeSet<&str> = row
            .targets
            .iter()
            .filter_map(|target| target.answer.as_deref())
            .collect();
        let choice = row.choose.as_ref().map(|name| {
            (
                name,
                machine.choices.iter().find(|choice| choice.name == *name),
            )
        });
        match choice {
            None if !targets.is_empty() => {
                found.push(format!("{at}: several targets, but no `choose`"))
            }
            None => {}
            Some((name, None)) => found.push(format!("{at}: unknown choice `{name}`")),
            Some((name, Some(choice))) => {
                let answers: BTreeSet<&str> = choice.answers.iter().map(String::as_str).collect();
                for answer in answers.difference(&targets) {
                    found.push(format!(
                        "{at}: `{name}` can answer `{answer}`, which leads nowhere"
                    ));
                }
                for target in targets.difference(&answers) {
                    found.push(format!("{at}: `{name}` never answers `{target}`"));
                }
            }
        }
    }
    for (verb, rows) in [("refuse", &machine.refuse), ("ignore", &machine.ignore)] {
        for row in rows {
            let at = format!("{verb} in {} on {}", list(&row.states), list(&row.on));
            known_states(machine, &at, &row.states, found);
            known_events(machine, &at, &row.on, found);
        }
    }
    for choice in &machine.choices {
        if choice.answers.iter().collect::<BTreeSet<_>>().len() != choice.answers.len()
            || choice.answers.is_empty()
        {
            found.push(format!(
                "choices.{}: answers are given, and each once",
                choice.name
            ));
        }
    }
}

fn list(names: &[String]) -> String {
    names.join(", ")
}

fn known_states(machine: &Machine, at: &str, names: &[String], found: &mut Vec<String>) {
    for name in names
        .iter()
        .filter(|name| machine.members(std::slice::from_ref(name)).is_empty())
    {
        let what = if name.starts_with('@') {
            "no state is in the group"
        } else {
            "unknown state"
        };
        found.push(format!("{at}: {what} `{name}`"));
    }
    if names.is_empty() {
        found.push(format!("{at}: names no state"));
    }
}

fn known_events(machine: &Machine, at: &str, names: &[String], found: &mut Vec<String>) {
    for name in names.iter().filter(|name| machine.event(name).is_none()) {
        found.push(format!("{at}: unknown event `{name}`"));
    }
    if names.is_empty() {
        found.push(format!("{at}: names no event"));
    }
}

/// A timer fires an event of its own, without data, and only where that moves: an ignored one would fire for ever.
fn timers(machine: &Machine, found: &mut Vec<String>) {
    for timer in &machine.timers {
        let at = format!("timer `{}` in {}", timer.due, list(&timer.states));
        known_states(machine, &at, &timer.states, found);
        let Some(event) = machine.event(&timer.fires) else {
            found.push(format!("{at}: unknown event `{}`", timer.fires));
            continue;
        };
        if event.from != Source::Timer || !event.data.is_empty() {
            found.push(format!(
                "{at}: `{}` has to be an event from `timer`, without data",
                event.name
            ));
        }
        for state in machine.members(&timer.states) {
            if !machine
                .cell(state, event)
                .iter()
                .any(|cell| matches!(cell, Cell::Move(_)))
            {
                found.push(format!(
                    "{at}: `{}` does not move `{}`, so that it would fire for ever",
                    event.name, state.name
                ));
            }
        }
    }
    for event in machine
        .events
        .iter()
        .filter(|event| event.from == Source::Timer)
    {
        if !machine.timers.iter().any(|timer| timer.fires == event.name) {
            found.push(format!("events.{}: no timer fires it", event.name));
        }
    }
}

/// What is declared and never used is a promise that nobody keeps.
fn usage(machine: &Machine, found: &mut Vec<String>) {
    let targets = || machine.transitions.iter().flat_map(|row| &row.targets);
    let records = machine.transitions.iter().flat_map(|row| &row.record);
    let updates: BTreeSet<&String> = targets()
        .flat_map(|target| &target.update)
        .chain(records)
        .collect();
    let effects: BTreeSet<&String> = targets().flat_map(|target| &target.effects).collect();
    let choices: BTreeSet<&String> = machine
        .transitions
        .iter()
        .filter_map(|row| row.choose.as_ref())
        .collect();
    let events: BTreeSet<&String> = machine.transitions.iter().flat_map(|row| &row.on).collect();
    let unused = |what: &str, name: &String, used: &BTreeSet<&String>| {
        (!used.contains(name)).then(|| format!("the {what} `{name}` is never used"))
    };
    found.extend(
        machine
            .events
            .iter()
            .filter_map(|event| unused("event", &event.name, &events)),
    );
    found.extend(
        machine
            .effects
            .iter()
            .filter_map(|effect| unused("effect", &effect.name, &effects)),
    );
    found.extend(
        machine
            .updates
            .iter()
            .filter_map(|update| unused("update", &update.name, &updates)),
    );
    found.extend(
        machine
            .choices
            .iter()
            .filter_map(|choice| unused("choice", &choice.name, &choices)),
    );
}

fn cells(machine: &Machine, found: &mut Vec<String>) {
    for state in &machine.states {
        for event in &machine.events {
            match machine.cell(state, event).len() {
                1 => {}
                0 => found.push(format!(
                    "the cell `{}` on `{}` is missing: move, refuse or ignore it",
                    state.name, event.name
                )),
                times => found.push(format!(
                    "the cell `{}` on `{}` is said {times} times",
                    state.name, event.name
                )),
            }
        }
    }
}

/// The states that `from` leads to, without entering `around`.
fn reach<'a>(edges: &'a [Edge], from: &'a str, around: Option<&str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = vec![from];
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

fn graph(machine: &Machine, found: &mut Vec<String>) {
    let edges = machine.edges();
    let reachable = reach(&edges, &machine.head.initial, None);
    for state in &machine.states {
        if !reachable.contains(state.name.as_str()) {
            found.push(format!(
                "the state `{}` cannot be reached from `{}`",
                state.name, machine.head.initial
            ));
        }
        let ends = |name: &&str| {
            machine
                .state(name)
                .is_some_and(|state| state.kind == Kind::Ended)
        };
        if !reach(&edges, &state.name, None).iter().any(ends) {
            found.push(format!(
                "the state `{}` cannot reach a state that has ended",
                state.name
            ));
        }
    }
}

fn always(machine: &Machine, rule: &Always, found: &mut Vec<String>) {
    let edges = machine.edges();
    let kind = |name: &str| machine.state(name).map(|state| state.kind);
    let has = |names: &[String], name: &str| names.iter().any(|other| other == name);
    let (wrong, must, because): (Vec<&Edge>, String, &str) = match rule {
        Always::PassThrough {
            to,
            through,
            because,
        } => {
            if !known_state(machine, to, found) | !known_state(machine, through, found) {
                return;
            }
            if reach(&edges, &machine.head.initial, Some(through)).contains(to.as_str()) {
                found.push(format!(
                    "always: `{to}` can be reached around `{through}` ({because})"
                ));
            }
            return;
        }
        Always::EffectWhenLeaving {
            group,
            sent_by,
            effect,
            because,
        } => {
            if !machine.effects.iter().any(|other| other.name == *effect) {
                found.push(format!("always: unknown effect `{effect}`"));
            }
            let leaves = |edge: &&Edge| edge.from.kind == *group && kind(edge.to) != Some(*group);
            let sent = |edge: &&Edge| sent_by.is_none_or(|source| edge.event.from == source);
            let lacks = |edge: &&Edge| !has(&edge.target.effects, effect);
            (
                edges
                    .iter()
                    .filter(leaves)
                    .filter(sent)
                    .filter(lacks)
                    .collect(),
                format!("carry the effect `{effect}`"),
                because,
            )
        }
        Always::UpdateWhenLeaving {
            state,
            except,
            update,
            because,
        } => {
            known_state(machine, state, found);
            for name in except {
                known_state(machine, name, found);
            }
            known_update(machine, update, found);
            let leaves = |edge: &&Edge| {
                edge.from.name == *state && edge.to != state && !has(except, edge.to)
            };
            (
                edges
                    .iter()
                    .filter(leaves)
                    .filter(|edge| !edge.updates(update))
                    .collect(),
                format!("carry the update `{update}`"),
                because,
            )
        }
        Always::UpdateWhenEntering {
            group,
            state,
            update,
            because,
        } => {
            if group.is_some() == state.is_some() {
                found.push(
                    "always: `update_when_entering` takes either a group or a state".to_owned(),
                );
                return;
            }
            if let Some(name) = state {
                known_state(machine, name, found);
            }
            known_update(machine, update, found);
            let inside = |name: &str| {
                state.as_deref() == Some(name) || (group.is_some() && kind(name) == *group)
            };
            let enters = |edge: &&Edge| inside(edge.to) && !inside(&edge.from.name);
            (
                edges
                    .iter()
                    .filter(enters)
                    .filter(|edge| !edge.updates(update))
                    .collect(),
                format!("carry the update `{update}`"),
                because,
            )
        }
        Always::OnlyFrom { to, from, because } => {
            known_state(machine, to, found);
            for name in from {
                known_state(machine, name, found);
            }
            let elsewhere = |edge: &&Edge| {
                edge.to == to && edge.from.name != *to && !has(from, &edge.from.name)
            };
            (
                edges.iter().filter(elsewhere).collect(),
                format!("come from {}", list(from)),
                because,
            )
        }
    };
    for edge in wrong {
        found.push(format!(
            "always: the edge {} -> {} on {} has to {must} ({because})",
            edge.from.name,
            edge.to,
            edge.label()
        ));
    }
}

fn known_state(machine: &Machine, name: &str, found: &mut Vec<String>) -> bool {
    let known = machine.state(name).is_some();
    if !known {
        found.push(format!("always: unknown state `{name}`"));
    }
    known
}

fn known_update(machine: &Machine, name: &str, found: &mut Vec<String>) {
    if !machine.updates.iter().any(|update| update.name == name) {
        found.push(format!("always: unknown update `{name}`"));
    }
}
