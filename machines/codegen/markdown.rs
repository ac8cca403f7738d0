//! The table as a page for people: the diagram, the whole matrix, and every text that a sender can be answered with.

use super::model::{Answered, Cell, Machine};

/// The diagram in mermaid's words, in table order.
pub fn mermaid(machine: &Machine) -> String {
    let mut text = format!("stateDiagram-v2\n  [*] --> {}\n", machine.head.initial);
    for edge in machine.edges() {
        text += &format!("  {} --> {}: {}\n", edge.from.name, edge.to, edge.label());
    }
    for state in machine
        .states
        .iter()
        .filter(|state| state.kind == super::model::Kind::Ended)
    {
        text += &format!("  {} --> [*]\n", state.name);
    }
    text
}

/// The whole page.
pub fn render(machine: &Machine) -> String {
    let head = &machine.head;
    let sections = [
        format!(
            "<!-- Generated from machines/{}.toml; do not edit. -->\n# {} (version {})\n\n{}\n",
            head.name,
            head.name,
            head.version,
            head.doc.trim()
        ),
        format!("```mermaid\n{}```\n", mermaid(machine)),
        states(machine),
        matrix(machine),
        events(machine),
        named(
            "Effects",
            machine.effects.iter().map(|e| (e.name.as_str(), effect(e))),
        ),
        named(
            "Choices",
            machine.choices.iter().map(|c| {
                (
                    c.name.as_str(),
                    format!("{} Answers: {}.", one_line(&c.doc), c.answers.join(", ")),
                )
            }),
        ),
        named(
            "Updates",
            machine
                .updates
                .iter()
                .map(|u| (u.name.as_str(), one_line(&u.doc))),
        ),
        named(
            "Timers",
            machine.timers.iter().map(|t| {
                (
                    t.fires.as_str(),
                    format!("fires at `{}` in {}", t.due, t.states.join(", ")),
                )
            }),
        ),
        answers("Refused", machine, &machine.refuse),
        answers("Ignored", machine, &machine.ignore),
    ];
    sections
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn states(machine: &Machine) -> String {
    let mut text = "## States\n\n| state | kind | needs | |\n|---|---|---|---|\n".to_owned();
    for state in &machine.states {
        text += &format!(
            "| **{}** | {} | {} | {} |\n",
            state.name,
            state.kind.name(),
            state.needs.join(", "),
            one_line(&state.doc)
        );
    }
    text
}

/// Events downwards: there are more of them than states, and a page is higher than wide.
fn matrix(machine: &Machine) -> String {
    let heads: String = machine
        .states
        .iter()
        .map(|state| format!(" {} |", state.name))
        .collect();
    let mut text = format!(
        "## The whole matrix\n\nEach cell: the states that the event can lead to, *refused*, or `·` for ignored.\n\n| event |{heads}\n|---|{}\n",
        "---|".repeat(machine.states.len())
    );
    for event in &machine.events {
        let cells = machine
            .states
            .iter()
            .map(|state| match machine.cell(state, event).first() {
                Some(Cell::Move(row)) => {
                    let mut to: Vec<&str> = Vec::new();
                    for target in &row.targets {
                        let name = if target.state == "same" {
                            &state.name
                        } else {
                            &target.state
                        };
                        if !to.contains(&name.as_str()) {
                            to.push(name);
                        }
                    }
                    format!(" {} |", to.join(" / "))
                }
                Some(Cell::Refuse(_)) => " *refused* |".to_owned(),
                Some(Cell::Ignore(_)) | None => " · |".to_owned(),
            });
        text += &format!("| **{}** |{}\n", event.name, cells.collect::<String>());
    }
    text
}

fn events(machine: &Machine) -> String {
    let mut text = "## Events\n\n| event | from | data | |\n|---|---|---|---|\n".to_owned();
    for event in &machine.events {
        let data = event
            .data
            .iter()
            .map(|(field, kind)| format!("`{field}: {}`", kind.as_str().unwrap_or_default()));
        let data = data.collect::<Vec<_>>().join(", ").replace('|', "\\|");
        text += &format!(
            "| **{}** | {} | {data} | {} |\n",
            event.name,
            event.from.name(),
            one_line(&event.doc)
        );
    }
    text
}

fn effect(effect: &super::model::Effect) -> String {
    let step = effect
        .step
        .iter()
        .map(|phase| format!(" Begins a step: {phase}."))
        .collect::<String>();
    format!(
        "{}{step}{}",
        one_line(&effect.doc),
        if effect.stops {
            " Ends the live step."
        } else {
            ""
        }
    )
}

fn named<'a>(title: &str, items: impl Iterator<Item = (&'a str, String)>) -> String {
    let lines: String = items
        .map(|(name, text)| format!("- **{name}**: {text}\n"))
        .collect();
    if lines.is_empty() {
        lines
    } else {
        format!("## {title}\n\n{lines}")
    }
}

fn answers(title: &str, machine: &Machine, rows: &[Answered]) -> String {
    let lines = rows.iter().map(|row| {
        let states = machine
            .members(&row.states)
            .iter()
            .map(|state| state.name.as_str())
            .collect::<Vec<_>>();
        format!(
            "| {} | {} | {} |\n",
            one_line(&row.because),
            row.on.join(", "),
            states.join(", ")
        )
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("## {title}\n\n| because | events | in |\n|---|---|---|\n{lines}")
    }
}
