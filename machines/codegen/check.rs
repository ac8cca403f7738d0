//! What has to hold before a line of Rust is generated: every name known, every row complete, nothing unused.
//! All problems are collected and none hides another; each names its row and what is wrong with it.
//! What needs the whole graph is in `graph`.

use std::collections::{BTreeMap, BTreeSet};

use super::graph;
use super::model::{Machine, Move, SAME, Says, Source};
use super::rust::is_dated;

/// Every problem of a table, in the order in which a reader would fix them.
pub fn problems(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    names(machine, &mut found);
    events(machine, &mut found);
    methods(machine, &mut found);
    rows(machine, &mut found);
    timers(machine, &mut found);
    usage(machine, &mut found);
    graph::problems(machine, &mut found);
    found
}

/// The names in `used` that nobody declared.
pub fn unknown<'a>(
    at: &str,
    what: &str,
    used: impl IntoIterator<Item = &'a String>,
    known: &BTreeSet<&str>,
    found: &mut Vec<String>,
) {
    let strangers = used
        .into_iter()
        .filter(|name| !known.contains(name.as_str()));
    found.extend(strangers.map(|name| format!("{at}: unknown {what} `{name}`")));
}

/// Names become Rust and SQL: words of `a-z0-9` that begin with a letter, so that `AgentDone` reads back as `agent_done`.
fn is_name(name: &str) -> bool {
    let ordinary = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(ordinary)
    };
    name.split('_').all(is_word) && syn::parse_str::<syn::Ident>(name).is_ok()
}

fn names(machine: &Machine, found: &mut Vec<String>) {
    let mut all = vec![("machine", &machine.head.name)];
    all.extend(machine.states.iter().map(|state| ("state", &state.name)));
    all.extend(
        machine
            .states
            .iter()
            .flat_map(|state| &state.needs)
            .map(|fact| ("fact", fact)),
    );
    all.extend(machine.events.iter().map(|event| ("event", &event.name)));
    all.extend(
        machine
            .events
            .iter()
            .flat_map(|event| event.data.keys())
            .map(|name| ("field", name)),
    );
    all.extend(
        machine
            .effects
            .iter()
            .map(|effect| ("effect", &effect.name)),
    );
    all.extend(
        machine
            .updates
            .iter()
            .map(|update| ("update", &update.name)),
    );
    all.extend(machine.timers.iter().map(|timer| ("due", &timer.due)));
    for choice in &machine.choices {
        all.push(("choice", &choice.name));
        all.extend(choice.answers.iter().map(|answer| ("answer", answer)));
        let different: BTreeSet<_> = choice.answers.iter().collect();
        if different.is_empty() || different.len() != choice.answers.len() {
            found.push(format!(
                "choices.{}: names answers, and each once",
                choice.name
            ));
        }
    }
    for (what, name) in all {
        if !is_name(name) {
            found.push(format!(
                "the {what} name `{name}` is not snake_case (words of a-z and 0-9, no keyword)"
            ));
        }
    }
    let same = machine
        .state(SAME)
        .map(|_| format!("states.{SAME}: the name stands for the state before"));
    found.extend(same);
    unknown(
        "[machine]",
        "initial state",
        [&machine.head.initial],
        &machine.names().states,
        found,
    );
    for effect in machine
        .effects
        .iter()
        .filter(|effect| effect.stops && effect.step.is_some())
    {
        found.push(format!(
            "effects.{}: either begins a step or stops one",
            effect.name
        ));
    }
}

fn events(machine: &Machine, found: &mut Vec<String>) {
    for event in &machine.events {
        for (field, kind) in &event.data {
            if kind
                .as_str()
                .is_none_or(|kind| syn::parse_str::<syn::Type>(kind).is_err())
            {
                found.push(format!(
                    "events.{}: {kind} is not a Rust type for `{field}`",
                    event.name
                ));
            }
            if field == "event" || (field == "generation" && is_dated(event)) {
                found.push(format!(
                    "events.{}: the field `{field}` is there already",
                    event.name
                ));
            }
        }
    }
}

/// Updates, choices and dues are methods of one trait, and choices are types beside the generated ones.
fn methods(machine: &Machine, found: &mut Vec<String>) {
    let rules = ["generation", "begin_step", "stop_step"].map(|name| (name, "rule"));
    let mut methods: BTreeMap<&str, &str> = BTreeMap::from(rules);
    let updates = machine
        .updates
        .iter()
        .map(|update| ("update", update.name.as_str()));
    let choices = machine
        .choices
        .iter()
        .map(|choice| ("choice", choice.name.as_str()));
    let dues = machine
        .timers
        .iter()
        .map(|timer| ("due", timer.due.as_str()));
    for (what, name) in updates.chain(choices).chain(dues) {
        // Several timers may share a due.
        if let Some(other) = methods
            .insert(name, what)
            .filter(|other| *other != "due" || what != "due")
        {
            found.push(format!(
                "the {what} `{name}` is called like a {other}: both are methods of one trait"
            ));
        }
    }
    let types = [
        "state",
        "event",
        "event_name",
        "effect",
        "rules",
        "edge",
        "cell",
    ];
    for choice in machine
        .choices
        .iter()
        .filter(|choice| types.contains(&choice.name.as_str()))
    {
        found.push(format!(
            "choices.{}: the name is that of a generated type",
            choice.name
        ));
    }
}

/// Every name that a row uses, and whether its targets are the answers of its choice.
fn rows(machine: &Machine, found: &mut Vec<String>) {
    let names = machine.names();
    let mut targets = names.states.clone();
    targets.insert(SAME);
    for row in &machine.rows {
        let at = row.title();
        groups(machine, &at, &row.states, found);
        unknown(&at, "event", &row.on, &names.events, found);
        if row.on.is_empty() {
            found.push(format!("{at}: names no event"));
        }
        let Says::Move(way) = &row.says else { continue };
        unknown(&at, "update", &way.record, &names.updates, found);
        for target in &way.targets {
            unknown(&at, "state", [&target.state], &targets, found);
            unknown(&at, "update", &target.update, &names.updates, found);
            unknown(&at, "effect", &target.effects, &names.effects, found);
        }
        answers(machine, &at, way, found);
    }
}

fn answers(machine: &Machine, at: &str, way: &Move, found: &mut Vec<String>) {
    let targets: BTreeSet<&str> = way
        .targets
        .iter()
        .filter_map(|target| target.answer.as_deref())
        .collect();
    let Some(name) = &way.choose else {
        if way.targets.iter().any(|target| target.answer.is_some()) || way.targets.is_empty() {
            found.push(format!("{at}: answers without `choose`"));
        }
        return;
    };
    unknown(at, "choice", [name], &machine.names().choices, found);
    for choice in machine.choices.iter().filter(|choice| choice.name == *name) {
        let answers: BTreeSet<&str> = choice.answers.iter().map(String::as_str).collect();
        let open = answers.difference(&targets);
        found.extend(
            open.map(|answer| format!("{at}: `{name}` can answer `{answer}`, which leads nowhere")),
        );
        let never = targets.difference(&answers);
        found.extend(never.map(|target| format!("{at}: `{name}` never answers `{target}`")));
    }
}

/// Names and `@groups` that mean no state.
fn groups(machine: &Machine, at: &str, names: &[String], found: &mut Vec<String>) {
    let empty = |name: &&String| machine.members(std::slice::from_ref(name)).is_empty();
    let empty = names
        .iter()
        .filter(empty)
        .map(|name| format!("{at}: unknown state or empty group `{name}`"));
    found.extend(empty);
    if names.is_empty() {
        found.push(format!("{at}: names no state"));
    }
}

/// A timer fires an event of its own, without data, and only where that moves: an ignored one would fire for ever.
fn timers(machine: &Machine, found: &mut Vec<String>) {
    for timer in &machine.timers {
        let at = format!("timer `{}` in {}", timer.due, timer.states.join(", "));
        groups(machine, &at, &timer.states, found);
        unknown(&at, "event", [&timer.fires], &machine.names().events, found);
        let Some(event) = machine.event(&timer.fires) else {
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
                .any(|says| matches!(says, Says::Move(_)))
            {
                found.push(format!(
                    "{at}: `{}` does not move `{}` and would fire for ever",
                    event.name, state.name
                ));
            }
        }
    }
    let fired: BTreeSet<&str> = machine
        .timers
        .iter()
        .map(|timer| timer.fires.as_str())
        .collect();
    for event in machine
        .events
        .iter()
        .filter(|event| event.from == Source::Timer)
    {
        if !fired.contains(event.name.as_str()) {
            found.push(format!("events.{}: no timer fires it", event.name));
        }
    }
}

/// What is declared and never used is a promise that nobody keeps.
fn usage(machine: &Machine, found: &mut Vec<String>) {
    let mut used: [BTreeSet<&String>; 4] = Default::default();
    for row in &machine.rows {
        let Says::Move(way) = &row.says else { continue };
        used[0].extend(&row.on);
        used[1].extend(way.targets.iter().flat_map(|target| &target.effects));
        used[2].extend(
            way.record
                .iter()
                .chain(way.targets.iter().flat_map(|target| &target.update)),
        );
        used[3].extend(&way.choose);
    }
    let ([events, effects, updates, choices], names) = (&used, machine.names());
    let declared = [
        ("event", names.events, events),
        ("effect", names.effects, effects),
        ("update", names.updates, updates),
        ("choice", names.choices, choices),
    ];
    for (what, names, used) in declared {
        let unused = names
            .iter()
            .filter(|name| !used.iter().any(|other| other == *name));
        found.extend(unused.map(|name| format!("the {what} `{name}` moves nothing")));
    }
}
