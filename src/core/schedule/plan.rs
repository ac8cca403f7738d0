//! The plan itself: one pass over the priorities decides on the starts, a second one explains everybody else. Both ask
//! the same two questions (standing gates, slots), so that what is said is what was decided.

use super::line::{self, Candidate};
use super::slots::Slots;
use super::standing::Outside;
use super::{Gate, Policy, Queue, RunRef};
use crate::core::time::Time;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// What the scheduler proposes for one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The runs to claim now, in this order.
    pub start: Vec<RunRef>,
    /// Everybody else, by position.
    pub held: Vec<Held>,
    /// The counts of overtaking that these starts raise, to be stored with them.
    pub overtaken: Vec<Overtaken>,
    /// The earliest time at which a gate of a held run opens by itself; `None` when only an event can help.
    pub wake_at: Option<Time>,
}

/// A queued run that is not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which run.
    pub id: RunRef,
    /// Everything that holds it after the starts; never empty.
    pub gates: Vec<Gate>,
    /// Its place in line, from 1, the starts not counted. Gates do not change it.
    pub position: u32,
}

/// A run that was overtaken by a start of this plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overtaken {
    /// Which run.
    pub id: RunRef,
    /// Its new count.
    pub overtaken: u32,
}

/// Decides which runs to start now, and says of every other run what holds it.
///
/// Priority first, then the policy over the queue sequence. A gated run never blocks a startable one behind it. No cap
/// is exceeded, a slot that a run still holds from an earlier step counted once. A function of its arguments: the order
/// of the lists does not matter. Takes O(n log n) for n runs, and the size of the answer.
pub fn plan(queue: &Queue, policy: &Policy, now: Time) -> Schedule {
    let outside = Outside::new(queue, now);
    let mut slots = Slots::new(queue, policy);
    let mut candidates: Vec<Candidate> = queue
        .waiting
        .iter()
        .map(|run| Candidate {
            run,
            standing: outside.standing(run, slots.held_by(run)),
            overtaken: run.overtaken,
            started: false,
        })
        .collect();
    // The id decides only between equal sequence numbers, which the store does not hand out.
    candidates.sort_by(|a, b| {
        let key = |it: &Candidate| (Reverse(it.run.priority), it.run.seq);
        key(a).cmp(&key(b)).then_with(|| a.run.id.cmp(&b.run.id))
    });

    let aging = policy.aging_bound();
    let mut schedule = Schedule::default();
    for line in candidates.chunk_by_mut(|a, b| a.run.priority == b.run.priority) {
        let starts = line::start(line, aging, &mut slots);
        schedule.start.extend(starts.into_iter().map(str::to_owned));
    }
    for line in candidates.chunk_by(|a, b| a.run.priority == b.run.priority) {
        for candidate in line::order(line, aging) {
            schedule.hold(candidate, &slots);
        }
    }
    schedule
}

impl Schedule {
    fn hold(&mut self, candidate: &Candidate, slots: &Slots) {
        let run = candidate.run;
        let mut gates = slots.gates(run);
        gates.extend(candidate.standing.iter().cloned());
        self.wake_at = self
            .wake_at
            .into_iter()
            .chain(gates.iter().filter_map(Gate::until))
            .min();
        if candidate.overtaken > run.overtaken {
            self.overtaken.push(Overtaken {
                id: run.id.clone(),
                overtaken: candidate.overtaken,
            });
        }
        let position =
            u32::try_from(self.held.len()).map_or(u32::MAX, |ahead| ahead.saturating_add(1));
        self.held.push(Held {
            id: run.id.clone(),
            gates,
            position,
        });
    }
}
