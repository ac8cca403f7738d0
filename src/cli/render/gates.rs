//! Why something waits: the gates of one run, and the whole schedule.

use jiff::Timestamp;

use super::style::{ATTENTION, DIM, paint};
use super::table::Columns;
use super::text::{plain, tail};
use super::time::{moment, until};
use crate::api::wire::{Gate, QueueReply, QueuedRun, WhyReply};

fn gate(gate: &Gate, now: Timestamp) -> String {
    let name = paint(ATTENTION, &plain(&gate.gate));
    let message = plain(&gate.message);
    match gate.until {
        Some(at) => format!(
            "{name}: {message} (for {}, until {})",
            until(now, at),
            moment(at)
        ),
        None => format!("{name}: {message}"),
    }
}

fn wake(wake_at: Option<Timestamp>, now: Timestamp) -> String {
    paint(
        DIM,
        &match wake_at {
            Some(at) => format!("looked at again in {} ({})", until(now, at), moment(at)),
            None => "looked at again when something changes".to_owned(),
        },
    )
}

/// Every gate of one run.
pub fn why(reply: &WhyReply, now: Timestamp) -> Vec<String> {
    let state = plain(&reply.state);
    let mut lines = vec![match reply.position {
        Some(position) => format!(
            "{} is {state}, number {position} in the queue",
            tail(reply.run)
        ),
        None => format!("{} is {state}", tail(reply.run)),
    }];
    lines.extend(reply.gates.iter().map(|g| format!("  {}", gate(g, now))));
    match (reply.gates.is_empty(), reply.position) {
        (true, _) => lines.push("  nothing holds it".to_owned()),
        (false, Some(_)) => lines.push(wake(reply.wake_at, now)),
        (false, None) => {}
    }
    lines
}

/// The whole schedule.
pub fn queue(reply: &QueueReply, now: Timestamp) -> Vec<String> {
    let policy = &reply.policy;
    let mut lines = vec![format!(
        "{} of {} slots used, {} for each workspace, {} (at most {} younger starts overtake a run)",
        reply.running.len(),
        policy.max_concurrent_runs,
        policy.max_runs_per_workspace,
        plain(&policy.queue_policy),
        policy.aging_starts
    )];
    let mut table = Columns::new(&["PLACE", "RUN", "STATE", "PRIORITY", "NAME", "WORKSPACE"]);
    let mut row = |place: String, run: &QueuedRun| {
        let cells = [
            place,
            tail(run.run),
            run.state.clone(),
            run.priority.to_string(),
            run.name.clone(),
            run.workspace_root.clone(),
        ];
        table.row(anstyle::Style::new(), &cells);
    };
    reply
        .running
        .iter()
        .for_each(|run| row("slot".to_owned(), run));
    reply
        .starting
        .iter()
        .for_each(|run| row("next".to_owned(), run));
    for held in &reply.held {
        row(held.position.to_string(), &held.run);
    }
    if !(reply.running.is_empty() && reply.starting.is_empty() && reply.held.is_empty()) {
        lines.extend(table.lines());
    }
    for held in &reply.held {
        let gates: Vec<String> = held.gates.iter().map(|g| gate(g, now)).collect();
        lines.push(format!("{}  {}", tail(held.run.run), gates.join("; ")));
    }
    if !reply.held.is_empty() {
        lines.push(wake(reply.wake_at, now));
    }
    lines
}
