//! Lanes: the effects of one run are performed in order and one at a time; those of different runs beside each other.
//! A lane knows what waits and what is in progress. It performs nothing and decides nothing about runs.

use std::collections::{HashMap, VecDeque};

use tokio_util::sync::CancellationToken;

use super::job::Job;
use crate::core::run::RunId;
use crate::store::EffectId;

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

    /// Puts effects at the end of their runs' lanes. One that stops a step makes the performer of that step let go; any
    /// of them that of an effect that gives way.
    pub(super) fn add(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            let lane = self.lanes.entry(job.run_id().clone()).or_default();
            if let Some(busy) = &lane.busy {
                let is_stopped = job.stops() && busy.job.step() == job.step();
                if is_stopped || (busy.job.gives_way() && !job.gives_way()) {
                    busy.stop.cancel();
                }
            }
            lane.waiting.push_back(job);
        }
    }

    /// Puts an effect back that could not be performed, before everything else of its run.
    pub(super) fn add_first(&mut self, job: Job) {
        let lane = self.lanes.entry(job.run_id().clone()).or_default();
        lane.waiting.push_front(job);
    }

    /// Whether the first in line gives way to another that is next.
    pub(super) fn gives_way(&self, run: &RunId) -> bool {
        let waiting = self.lanes.get(run).map(|lane| &lane.waiting);
        let first_gives_way = waiting
            .and_then(|it| it.front())
            .is_some_and(Job::gives_way);
        first_gives_way && waiting.is_some_and(|it| it.iter().any(|job| !job.gives_way()))
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
        // One that gives way is next when nothing else is left.
        let first = lane.waiting.iter().position(|job| !job.gives_way());
        let Some(job) = lane.waiting.remove(first.unwrap_or(0)) else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::run::Effect;
    use crate::core::time::Time;
    use crate::store::StoredEffect;

    fn job(id: i64, effect: Effect) -> Job {
        job_of(1, id, effect)
    }

    fn job_of(generation: u64, id: i64, effect: Effect) -> Job {
        Job::Run(StoredEffect {
            id: EffectId(id),
            run_id: RunId("a".to_owned()),
            generation,
            step_id: None,
            effect,
            created_at: Time(0),
        })
    }

    fn next(lanes: &mut Lanes) -> Option<(i64, CancellationToken)> {
        let next = lanes.next(&RunId("a".to_owned()));
        next.map(|(job, stop)| (job.id().0, stop))
    }

    #[test]
    fn an_analysis_that_was_asked_for_first_goes_last_and_lets_go_of_what_comes_later() {
        let run = RunId("a".to_owned());
        let mut lanes = Lanes::new(CancellationToken::new());
        lanes.add([
            job(1, Effect::WritePostmortem),
            job(2, Effect::RemoveWorktrees),
        ]);
        assert!(lanes.gives_way(&run));
        let (first, _) = next(&mut lanes).expect("a job");
        assert_eq!(first, 2);
        lanes.finished(&run, EffectId(2));
        assert!(!lanes.gives_way(&run), "nobody else is there");
        let (second, stop) = next(&mut lanes).expect("a job");
        assert_eq!(second, 1);
        lanes.add([job(3, Effect::WritePostmortem)]);
        assert!(!stop.is_cancelled(), "another analysis waits");
        lanes.add([job(4, Effect::CloseRun)]);
        assert!(stop.is_cancelled());
        lanes.finished(&run, EffectId(1));
        lanes.add_first(job(1, Effect::WritePostmortem));
        let order: Vec<i64> = std::iter::from_fn(|| {
            let (id, _) = next(&mut lanes)?;
            lanes.finished(&run, EffectId(id));
            Some(id)
        })
        .collect();
        assert_eq!(order, [4, 1, 3]);
    }

    #[test]
    fn one_effect_is_performed_at_a_time_and_only_its_own_report_ends_it() {
        let run = RunId("a".to_owned());
        let mut lanes = Lanes::new(CancellationToken::new());
        lanes.add([job(1, Effect::PrepareWorktree), job(2, Effect::StartAgent)]);
        let _first = next(&mut lanes).expect("a job");
        assert!(next(&mut lanes).is_none(), "it is busy");
        // What is told a second time, of an effect that was performed long ago.
        lanes.finished(&run, EffectId(7));
        assert!(next(&mut lanes).is_none(), "it is busy all the same");
        assert!(!lanes.are_idle());
        lanes.finished(&run, EffectId(1));
        assert!(lanes.are_idle());
        let second = next(&mut lanes).map(|(id, _)| id);
        assert_eq!(second, Some(2));
    }

    #[test]
    fn a_stop_ends_its_own_step_and_no_other() {
        let mut lanes = Lanes::new(CancellationToken::new());
        lanes.add([job_of(2, 1, Effect::StartAgent)]);
        let (_, step) = next(&mut lanes).expect("a job");
        lanes.add([job_of(1, 2, Effect::StopStep)]);
        assert!(!step.is_cancelled(), "an earlier step is meant");
        lanes.add([job_of(2, 3, Effect::StopStep)]);
        assert!(step.is_cancelled());
        // One that is stopped before it has begun lets go at once, and so says what became of it.
        for (stopped, lets_go) in [(1, false), (2, true)] {
            let mut lanes = Lanes::new(CancellationToken::new());
            lanes.add([
                job_of(2, 4, Effect::StartAgent),
                job_of(stopped, 5, Effect::StopStep),
            ]);
            let (_, step) = next(&mut lanes).expect("a job");
            assert_eq!(step.is_cancelled(), lets_go);
        }
    }

    #[test]
    fn what_the_store_has_dropped_is_not_performed() {
        let run = RunId("a".to_owned());
        let mut lanes = Lanes::new(CancellationToken::new());
        lanes.add([job(1, Effect::StartAgent), job(2, Effect::StopStep)]);
        lanes.drop_effects(&run, &[EffectId(1)]);
        let first = next(&mut lanes).map(|(id, _)| id);
        assert_eq!(first, Some(2));
        assert!(lanes.runs().contains(&run));
        lanes.finished(&run, EffectId(2));
        assert!(next(&mut lanes).is_none());
        assert_eq!(lanes.runs(), [], "a lane without work does not exist");
    }
}
