//! The table as a page for people: the diagram, the whole matrix, and every text that a sender can be answered with.

use super::model::{Effect, Kind, Machine, Row, Says};

/// The diagram in mermaid's words, in table order.
pub fn mermaid(machine: &Machine) -> String {
    let mut text = format!("stateDiagram-v2\n  [*] --> {}\n", machine.head.initial);
    for edge in machine.edges() {
        text += &format!("  {} --> {}: {}\n", edge.from.name, edge.to, edge.label());
    }
    for state in machine
        .states
        .iter()
        .filter(|state| state.kind == Kind::Ended)
    {
        text += &format!("  {} --> [*]\n", state.name);
    }
    text
}

/// The whole page.
pub fn render(machine: &Machine) -> String {
    let (name, head) = (&machine.head.name, &machine.head);
    let effects = machine
        .effects
        .iter()
        .map(|effect| line(&effect.name, &about_effect(effect)));
    let choices = machine.choices.iter();
    let choices = choices.map(|choice| {
        line(
            &choice.name,
            &format!("{} Answers: {}.", choice.doc, choice.answers.join(", ")),
        )
    });
    let updates = machine
        .updates
        .iter()
        .map(|update| line(&update.name, &update.doc));
    let timers = machine.timers.iter().map(|timer| {
        line(
            &timer.fires,
            &format!("fires at `{}` in {}", timer.due, timer.states.join(", ")),
        )
    });
    let refused = |row: &&Row| matches!(row.says, Says::Refuse(_));
    let ignored = |row: &&Row| matches!(row.says, Says::Ignore(_));
    [
        format!("<!-- Generated from machines/{name}.toml; do not edit. -->\n"),
        format!(
            "# {name} (version {})\n\n{}\n",
            head.version,
            head.doc.trim()
        ),
        section("Diagram", format!("```mermaid\n{}```\n", mermaid(machine))),
        section("States", states(machine)),
        section("The whole matrix", matrix(machine)),
        section("Events", events(machine)),
        section("Effects", effects.collect()),
        section("Choices", choices.collect()),
        section("Updates", updates.collect()),
        section("Timers", timers.collect()),
        section(
            "Refused",
            answers(machine, machine.rows.iter().filter(refused)),
        ),
        section(
            "Ignored",
            answers(machine, machine.rows.iter().filter(ignored)),
        ),
    ]
    .concat()
}

fn section(title: &str, body: String) -> String {
    if body.is_empty() {
        body
    } else {
        format!("\n## {title}\n\n{body}")
    }
}

fn line(name: &str, text: &str) -> String {
    format!("- **{name}**: {}\n", one_line(text))
}

/// Text that fits into a cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn about_effect(effect: &Effect) -> String {
    let begins = effect
        .step
        .iter()
        .map(|phase| format!(" Begins a step: {phase}."));
    let stops = if effect.stops {
        " Ends the live step."
    } else {
        ""
    };
    format!("{}{}{stops}", effect.doc, begins.collect::<String>())
}

fn states(machine: &Machine) -> String {
    let mut text = "| state | kind | needs | |\n|---|---|---|---|\n".to_owned();
    for state in &machine.states {
        let (name, kind, needs) = (&state.name, state.kind.name(), state.needs.join(", "));
        text += &format!(
            "| **{name}** | {kind} | {needs} | {} |\n",
            one_line(&state.doc)
        );
    }
    text
}

/// Events go downwards: there are more of them than states, and a page is higher than wide.
fn matrix(machine: &Machine) -> String {
    let heads = machine
        .states
        .iter()
        .map(|state| format!(" {} |", state.name));
    let mut text =
        "Each cell: the states that the event can lead to, *refused*, or `·` for ignored.\n\n"
            .to_owned();
    text += &format!("| event |{}\n", heads.collect::<String>());
    text += &format!("|---|{}\n", "---|".repeat(machine.states.len()));
    for event in &machine.events {
        text += &format!("| **{}** |", event.name);
        for state in &machine.states {
            for says in machine.cell(state, event) {
                text += &match says {
                    Says::Move(way) => format!(" {} |", way.destinations(state).join(" / ")),
                    Says::Refuse(_) => " *refused* |".to_owned(),
                    Says::Ignore(_) => " · |".to_owned(),
                };
            }
        }
        text += "\n";
    }
    text
}

fn events(machine: &Machine) -> String {
    let mut text = "| event | from | data | |\n|---|---|---|---|\n".to_owned();
    for event in &machine.events {
        let fields = event.data.iter();
        let fields =
            fields.map(|(name, kind)| format!("`{name}: {}`", kind.as_str().unwrap_or_default()));
        let (name, data) = (&event.name, fields.collect::<Vec<_>>().join(", "));
        let (from, doc) = (event.from.name(), one_line(&event.doc));
        text += &format!("| **{name}** | {from} | {} | {doc} |\n", one_line(&data));
    }
    text
}

fn answers<'a>(machine: &Machine, rows: impl Iterator<Item = &'a Row>) -> String {
    let mut text = String::new();
    for row in rows {
        let (Says::Refuse(because) | Says::Ignore(because)) = &row.says else {
            continue;
        };
        let states = machine
            .members(&row.states)
            .into_iter()
            .map(|state| state.name.as_str());
        let states = states.collect::<Vec<_>>().join(", ");
        text += &format!(
            "| {} | {} | {states} |\n",
            one_line(because),
            row.on.join(", ")
        );
    }
    if text.is_empty() {
        text
    } else {
        format!("| because | events | in |\n|---|---|---|\n{text}")
    }
}
