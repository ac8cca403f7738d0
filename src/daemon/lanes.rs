//! Lanes: the effects of one run are performed in order and one at a time; those of different runs beside each other.
//! A lane knows what waits and what is in progress. It performs nothing and decides nothing about runs.

use std::collections::{HashMap, VecDeque};

use tokio_util::sync::CancellationToken;

use crate::core::run::{RunId, StepId};
use crate::store::{EffectId, HandoverEffect, StoredEffect};

/// What is performed in a lane: the effects of a run, and those of its handover. One lane for both, so that the two are
/// never at work in one worktree.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Run(StoredEffect),
    Handover(HandoverEffect),
}

impl Job {
    pub(super) fn id(&self) -> EffectId {
        match self {
            Job::Run(effect) => effect.id,
            Job::Handover(effect) => effect.id,
        }
    }

    pub(super) fn run_id(&self) -> &RunId {
        match self {
            Job::Run(effect) => &effect.run_id,
            Job::Handover(effect) => &effect.run_id,
        }
    }

    /// The generation of the step that it begins or stops; of what is performed ahead of a step, that of the step.
    fn step(&self) -> Option<u64> {
        match self {
            Job::Run(effect) => {
                let named = effect.step_id.as_ref().and_then(StepId::generation);
                Some(named.unwrap_or(effect.generation))
            }
            Job::Handover(_) => None,
        }
    }

    /// Whether it stops its step.
    fn stops(&self) -> bool {
        match self {
            Job::Run(effect) => effect.effect.stops(),
            Job::Handover(_) => false,
        }
    }
}

/// The effect that a lane is busy with.
#[derive(Debug)]
struct Busy {
    job: Job,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Job>,
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
    pub(super) fn add(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            let lane = self.lanes.entry(job.run_id().clone()).or_default();
            if job.stops()
                && let Some(busy) = &lane.busy
                && busy.job.step() == job.step()
            {
                busy.stop.cancel();
            }
            lane.waiting.push_back(job);
        }
    }

    /// Puts an effect back that could not be performed, before everything else of its run.
    pub(super) fn add_first(&mut self, job: Job) {
        let lane = self.lanes.entry(job.run_id().clone()).or_default();
        lane.waiting.push_front(job);
    }

    /// Forgets effects that the store has dropped.
    pub(super) fn drop_effects(&mut self, run: &RunId, dropped: &[EffectId]) {
        if let Some(lane) = self.lanes.get_mut(run) {
            lane.waiting.retain(|job| !dropped.contains(&job.id()));
        }
    }

    /// The next effect of an idle lane, with the token that tells its performer to let go.
    pub(super) fn next(&mut self, run: &RunId) -> Option<(Job, CancellationToken)> {
        let lane = self.lanes.get_mut(run)?;
        if lane.busy.is_some() {
            return None;
        }
        let Some(job) = lane.waiting.pop_front() else {
            self.lanes.remove(run);
            return None;
        };
        let stop = self.stopping.child_token();
        // A stop that is already waiting for this very step: begin, but let go at once.
        if lane
            .waiting
            .iter()
            .any(|later| later.stops() && later.step() == job.step())
        {
            stop.cancel();
        }
        lane.busy = Some(Busy {
            job: job.clone(),
            stop: stop.clone(),
        });
        Some((job, stop))
    }

    /// The effect has been performed.
    pub(super) fn finished(&mut self, run: &RunId, effect: EffectId) {
        if let Some(lane) = self.lanes.get_mut(run)
            && lane.busy.as_ref().is_some_and(|b| b.job.id() == effect)
        {
            lane.busy = None;
        }
    }

    /// Runs that have a lane.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.lanes.keys().cloned().collect()
    }
}
