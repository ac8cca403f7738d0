//! Lanes: the effects of one run are performed in order and one at a time; those of different runs beside each other.
//! A lane knows what waits and what is in progress. It performs nothing and decides nothing about runs.

use std::collections::{HashMap, VecDeque};

use tokio_util::sync::CancellationToken;

use crate::core::run::RunId;
use crate::store::{EffectId, StoredEffect};

/// The effect that a lane is busy with.
#[derive(Debug)]
struct Busy {
    effect: StoredEffect,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<StoredEffect>,
    busy: Option<Busy>,
}

/// All lanes. A lane without work does not exist.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: HashMap<RunId, Lane>,
    /// Tells every performer to let go: the daemon ends, and its steps with it.
    stopping: CancellationToken,
}

impl Lanes {
    /// No lanes yet. Every performer lets go when `stopping` is cancelled.
    pub(super) fn new(stopping: CancellationToken) -> Self {
        Lanes {
            lanes: HashMap::new(),
            stopping,
        }
    }

    /// Whether nothing is being performed.
    pub(super) fn are_idle(&self) -> bool {
        self.lanes.values().all(|lane| lane.busy.is_none())
    }

    /// Puts effects at the end of their runs' lanes. One that stops a step makes the performer of that step let go.
    pub(super) fn add(&mut self, effects: impl IntoIterator<Item = StoredEffect>) {
        for effect in effects {
            let lane = self.lanes.entry(effect.run_id.clone()).or_default();
            if effect.effect.stops()
                && let Some(busy) = &lane.busy
                && busy.effect.step_id == effect.step_id
            {
                busy.stop.cancel();
            }
            lane.waiting.push_back(effect);
        }
    }

    /// Puts an effect back that could not be performed, before everything else of its run.
    pub(super) fn add_first(&mut self, effect: StoredEffect) {
        let lane = self.lanes.entry(effect.run_id.clone()).or_default();
        lane.waiting.push_front(effect);
    }

    /// Forgets effects that the store has dropped.
    pub(super) fn drop_effects(&mut self, run: &RunId, dropped: &[EffectId]) {
        if let Some(lane) = self.lanes.get_mut(run) {
            lane.waiting.retain(|e| !dropped.contains(&e.id));
        }
    }

    /// The next effect of an idle lane, with the token that tells its performer to let go.
    pub(super) fn next(&mut self, run: &RunId) -> Option<(StoredEffect, CancellationToken)> {
        let lane = self.lanes.get_mut(run)?;
        if lane.busy.is_some() {
            return None;
        }
        let Some(effect) = lane.waiting.pop_front() else {
            self.lanes.remove(run);
            return None;
        };
        let stop = self.stopping.child_token();
        // A stop that is already waiting for this very step: begin, but let go at once.
        if lane
            .waiting
            .iter()
            .any(|e| e.effect.stops() && e.step_id.is_some() && e.step_id == effect.step_id)
        {
            stop.cancel();
        }
        lane.busy = Some(Busy {
            effect: effect.clone(),
            stop: stop.clone(),
        });
        Some((effect, stop))
    }

    /// The effect has been performed.
    pub(super) fn finished(&mut self, effect: &StoredEffect) {
        if let Some(lane) = self.lanes.get_mut(&effect.run_id)
            && lane.busy.as_ref().is_some_and(|b| b.effect.id == effect.id)
        {
            lane.busy = None;
        }
    }

    /// Runs that have a lane.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.lanes.keys().cloned().collect()
    }
}
