//! What was performed, on its way into the store. A report is the only account of what happened: one that the store cannot
//! take stays first in line, holds its run by a named gate, and is tried again until it is written. Not here: what is
//! performed ([`performers`](super::performers)), and what a run makes of it (a row of `machines/run.toml`).

use std::time::Duration;

use tokio::time::Instant;

use super::clock;
use super::engine::Engine;
use super::job::Job;
use super::unstored::Unstored;
use crate::core::run::RunId;
use crate::core::schedule::{Gate, StoreLock, Unwritable};
use crate::core::time::Time;
use crate::effect::{Done, HandoverDone};
use crate::store::{Apply, EffectDone, HandOver, HandoverEffect, StoreError, StoredEffect};

/// How long something waits that could not be done and must not be given up: a report that the store could not take, a
/// step that could not be ended.
const RETRY: Duration = Duration::from_millis(RETRY_MS);
const RETRY_MS: u64 = 1000;

/// What has been performed, until the store has it.
pub(super) enum Report {
    Run(Box<StoredEffect>, Box<Done>),
    Handover(Box<HandoverEffect>, Box<HandoverDone>),
}

impl Report {
    fn run(&self) -> &RunId {
        match self {
            Report::Run(effect, _) => &effect.run_id,
            Report::Handover(effect, _) => &effect.run_id,
        }
    }
}

impl Engine {
    /// Takes every report that is waiting to the store. One that the store cannot take stays first in line.
    pub(super) async fn save_reports(&mut self) {
        while let Some(report) = self.unsaved.pop_front() {
            let (saved, run) = match &report {
                Report::Run(effect, done) => {
                    (self.save_report(effect, done).await, effect.run_id.clone())
                }
                Report::Handover(effect, done) => (
                    self.save_handover(effect, done).await,
                    effect.run_id.clone(),
                ),
            };
            if let Err(error) = saved {
                tracing::error!(%run, %error, "failed to store a report; trying again");
                self.metrics.store_retries.inc();
                self.unsaved.push_front(report);
                self.retry_after(&error);
                self.refused = Some(refusal(&error));
                return;
            }
            self.refused = None;
            self.advance(&run).await;
        }
    }

    pub(super) async fn save_report(
        &mut self,
        effect: &StoredEffect,
        done: &Done,
    ) -> Result<(), StoreError> {
        let now = clock::now();
        let finished = EffectDone {
            id: effect.id,
            outcome: done.outcome.clone(),
        };
        let Some(event) = &done.event else {
            for artifact in &done.artifacts {
                self.writer.record_artifact(artifact.clone()).await?;
            }
            let told = done.told.clone();
            let events = self.writer.effect_done(finished, told, now).await?;
            self.tell(&events);
            self.told.send_modify(|_| {});
            return Ok(());
        };
        let mut apply = Apply::new(effect.run_id.clone(), event.clone(), now);
        apply.effect_done = Some(finished);
        apply.step = done.step.clone();
        apply.artifacts = done.artifacts.clone();
        self.apply(apply).await.map(|_| ())
    }

    pub(super) async fn save_handover(
        &mut self,
        effect: &HandoverEffect,
        done: &HandoverDone,
    ) -> Result<(), StoreError> {
        let mut report = HandOver::new(effect.run_id.clone(), done.event.clone(), clock::now());
        report.effect_done = Some(EffectDone {
            id: effect.id,
            outcome: done.outcome.clone(),
        });
        report.run_event = done.run_event.clone();
        self.hand_over(report).await.map(|_| ())
    }

    /// What cannot be written down: anything, by a look at the disk, or the reports that the store has not taken.
    pub(super) fn unstored(&self, now: Time) -> Option<Unstored> {
        let nothing = self.planner.takes_nothing(now);
        let runs = match nothing {
            Some(_) => None,
            None => Some(self.unsaved.iter().map(Report::run).cloned().collect()),
        };
        let gate = self.refused.clone().or(nothing.map(Gate::from))?;
        Some(Unstored { gate, runs })
    }

    /// An effect that was not performed is performed again, before everything else of its run.
    pub(super) async fn put_back(&mut self, effect: StoredEffect) {
        let run = effect.run_id.clone();
        // Still pending in the store, too: a daemon that dies now performs it again.
        self.lanes.add_first(Job::Run(effect));
        self.try_again();
        // What it gave way to does not wait for that.
        if self.lanes.gives_way(&run) {
            self.advance(&run).await;
        }
    }

    /// Something could not be done: it is tried again soon. Who fails meanwhile does not put that off.
    pub(super) fn try_again(&mut self) {
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }

    /// Something could not be written: it is tried again soon, and until then a lock that somebody else holds is a gate, and
    /// so is a file system that takes nothing.
    pub(super) fn retry_after(&mut self, error: &StoreError) {
        self.try_again();
        let (until, message) = (clock::now().plus_ms(RETRY_MS), error.to_string());
        if let StoreError::Busy { .. } = error {
            self.locked = Some(StoreLock { until, message });
        } else if let StoreError::Unwritable { .. } | StoreError::Full { .. } = error {
            self.unwritable = Some(Unwritable { until, message });
        }
    }
}

/// Why the store has not taken a report, which is tried again soon.
fn refusal(error: &StoreError) -> Gate {
    let (until, message) = (clock::now().plus_ms(RETRY_MS), error.to_string());
    if let StoreError::Busy { .. } = error {
        StoreLock { until, message }.into()
    } else {
        Unwritable { until, message }.into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::sync::{Semaphore, watch};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::core::run::Effect;
    use crate::core::schedule::{Order, Policy};
    use crate::crash::Crash;
    use crate::daemon::{Planner, now};
    use crate::effect::git::Git;
    use crate::effect::{AgentVersions, Over, World, until_over};
    use crate::store::{self, EffectId};

    /// An engine that does nothing by itself, over a store that knows no run.
    async fn engine(dir: &Path) -> (Engine, Over) {
        let (writer, reader) = store::open(dir, store::Options::default()).expect("a store");
        let (until_over, over) = until_over();
        let world = World {
            data_dir: dir.to_owned(),
            self_exe: dir.join("none"),
            git: Git::find().await.expect("git"),
            writer: writer.clone(),
            reader: reader.clone(),
            environment: Vec::new(),
            versions: AgentVersions::default(),
            now,
            postmortems: Semaphore::new(1),
            stopping: CancellationToken::new(),
            until_over,
            told: watch::Sender::new(0),
            crash: Crash::default(),
        };
        let policy = Policy {
            max_concurrent_runs: 1,
            max_runs_per_workspace: 1,
            order: Order::Fifo,
            aging_starts: 0,
        };
        let planner = Planner::new(policy, Vec::new(), 0);
        let (world, metrics) = (Arc::new(world), Arc::default());
        let engine = Engine::new(writer, reader, planner, world, metrics, "test".to_owned());
        (engine.0, over)
    }

    fn effect(id: i64, effect: Effect) -> StoredEffect {
        StoredEffect {
            id: EffectId(id),
            run_id: RunId("a".to_owned()),
            generation: 1,
            step_id: None,
            effect,
            created_at: Time(0),
        }
    }

    #[tokio::test]
    async fn who_fails_meanwhile_does_not_put_off_what_is_tried_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut engine, _over) = engine(dir.path()).await;
        engine.try_again();
        let first = engine.retry_at.expect("it is tried again");
        engine.try_again();
        assert_eq!(engine.retry_at, Some(first));
    }

    #[tokio::test]
    async fn what_an_analysis_gave_way_to_does_not_wait_until_that_is_tried_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut engine, _over) = engine(dir.path()).await;
        let run = RunId("a".to_owned());
        let analysis = || effect(1, Effect::WritePostmortem);
        engine.lanes.add([Job::Run(analysis())]);
        let (_, stop) = engine.lanes.next(&run).expect("a job");
        engine
            .lanes
            .add([Job::Run(effect(2, Effect::RemoveWorktrees))]);
        assert!(stop.is_cancelled(), "it gives way");
        engine.lanes.finished(&run, EffectId(1));
        engine.put_back(analysis()).await;
        // Of a run that nobody knows everything is over as soon as it is begun.
        assert_eq!(engine.lanes.runs(), []);
    }

    #[tokio::test]
    async fn what_could_not_be_done_stays_first_and_waits_until_it_is_tried_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut engine, _over) = engine(dir.path()).await;
        let run = RunId("a".to_owned());
        engine.lanes.add([Job::Run(effect(2, Effect::CloseRun))]);
        engine.put_back(effect(1, Effect::StopStep)).await;
        assert!(engine.retry_at.is_some());
        let next = engine.lanes.next(&run).map(|(job, _)| job.id());
        assert_eq!(next, Some(EffectId(1)));
    }
}
