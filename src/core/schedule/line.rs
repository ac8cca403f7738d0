//! The line of one priority: who is started next, and who is overtaken by it. Aged runs go first, oldest first; then
//! the young ones, youngest first. Under `fifo` everybody has aged.

use super::slots::Slots;
use super::tally::Tally;
use super::{Gate, Waiting};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A waiting run while the plan is being made.
pub(super) struct Candidate<'a> {
    pub(super) run: &'a Waiting,
    /// The gates that no start of this plan changes.
    pub(super) standing: Vec<Gate>,
    /// Its count of overtaking; raised by this plan.
    pub(super) overtaken: u32,
    pub(super) started: bool,
}

/// Decides on the starts of one line, in their order. `line` is one priority, the oldest first.
pub(super) fn start<'a>(
    line: &mut [Candidate<'a>],
    aging: u32,
    slots: &mut Slots<'a>,
) -> Vec<&'a str> {
    let mut starts = Vec::new();
    if slots.full() {
        return starts;
    }
    let startable = |candidate: &Candidate<'a>, slots: &Slots<'a>| {
        candidate.standing.is_empty() && !slots.workspace_full(&candidate.run.workspace)
    };
    // Only the young and startable are tallied: what could not start was not overtaken, and whoever has aged is
    // preceded only by older runs.
    let counts: Vec<Option<u32>> = line
        .iter()
        .map(|it| startable(it, slots).then_some(it.overtaken))
        .collect();
    let mut tally = Tally::new(&counts);
    let mut neighbours: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, _) in counts
        .iter()
        .enumerate()
        .filter(|(_, count)| count.is_some())
    {
        neighbours
            .entry(&line[place].run.workspace)
            .or_default()
            .push(place);
    }
    let mut aged = BinaryHeap::new();
    let mut young = line.len();
    while !slots.full() {
        while let Some(place) = tally.reaching(aging) {
            line[place].overtaken = tally.take(place).unwrap_or(line[place].overtaken);
            aged.push(Reverse(place));
        }
        let place = match aged.pop() {
            Some(Reverse(place)) if slots.workspace_full(&line[place].run.workspace) => continue,
            Some(Reverse(place)) => place,
            None => {
                let Some(place) = young.checked_sub(1) else {
                    break;
                };
                young = place;
                match tally.take(place) {
                    Some(count) => line[place].overtaken = count,
                    None => continue,
                }
                place
            }
        };
        let run = line[place].run;
        line[place].started = true;
        slots.take(run);
        starts.push(run.id.as_str());
        tally.overtake_all_before(place);
        if slots.workspace_full(&run.workspace) {
            for place in neighbours
                .remove(run.workspace.as_str())
                .unwrap_or_default()
            {
                if let Some(count) = tally.take(place) {
                    line[place].overtaken = count;
                }
            }
        }
    }
    for (place, candidate) in line.iter_mut().enumerate() {
        if let Some(count) = tally.take(place) {
            candidate.overtaken = count;
        }
    }
    starts
}

/// The line as it stands after the starts: the order in which the runs would be started if nothing held them.
pub(super) fn order<'l, 'a>(line: &'l [Candidate<'a>], aging: u32) -> Vec<&'l Candidate<'a>> {
    let waiting = line.iter().filter(|candidate| !candidate.started);
    let (aged, mut young): (Vec<_>, Vec<_>) =
        waiting.partition(|candidate| candidate.overtaken >= aging);
    young.reverse();
    aged.into_iter().chain(young).collect()
}
