//! The engine: one task that owns the truth. Requests, reports, deadlines and wake-ups all arrive here, one after the
//! other; each becomes an event for the machine by way of `store::apply`, and what the machine asks for goes into the
//! lanes. It knows no phase and no order of phases: those are rows of `machines/run.toml`.
//!
//! There is no polling: between two messages the task sleeps until the next stored deadline, and an idle daemon has none.
//! What is due goes before a message, but never twice in a row: neither a full inbox nor a deadline that stays due starves
//! the other. How it ends is in [`draining`](super::draining).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::draining::Draining;
use super::handle::{Handle, Message};
use super::lanes::{Job, Lanes};
use super::metrics::Metrics;
use super::planning::{Around, Planner};
use super::unstored::Unstored;
use super::{clock, performers};
use crate::core::run::{Event, PublicEvent, RunId};
use crate::core::schedule::{Gate, Schedule, StoreLock, Unwritable};
use crate::core::time::Time;
use crate::effect::{Done, HandoverDone, World};
use crate::store::{
    Answer, Applied, Apply, EffectDone, HandOver, HandedOver, HandoverAnswer, HandoverEffect,
    Reader, StepApplied, StoreError, StoredEffect, StoredEvent, Writer,
};

/// Messages that may wait for the engine before senders have to wait.
const INBOX: usize = 256;
/// How long something waits that could not be done and must not be given up: a report that the store could not take, a
/// step that could not be ended.
const RETRY: Duration = Duration::from_millis(RETRY_MS);
const RETRY_MS: u64 = 1000;
/// The longest sleep towards a deadline on the wall clock: a clock that jumps is noticed after so long. An engine
/// without a deadline does not wake at all.
const MAX_SLEEP_MS: u64 = 60_000;

/// What has been performed, until the store has it.
enum Report {
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

/// The one task.
pub struct Engine {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) planner: Planner,
    pub(super) metrics: Arc<Metrics>,
    pub(super) world: Arc<World>,
    worker: String,
    pub(super) lanes: Lanes,
    inbox: mpsc::Receiver<Message>,
    outbox: mpsc::Sender<Message>,
    told: watch::Sender<u64>,
    /// Reports that the store could not take yet: they are the only account of what happened and are never dropped.
    unsaved: VecDeque<Report>,
    /// Why the first of them was not taken.
    refused: Option<Gate>,
    retry_at: Option<Instant>,
    wake_at: Option<Time>,
    /// The store could not be written because somebody else holds its lock.
    locked: Option<StoreLock>,
    /// The store could not be written because its file system takes nothing.
    unwritable: Option<Unwritable>,
    pub(super) draining: Option<Draining>,
}

impl Engine {
    /// An engine over an opened store, and the handle to speak with it. `worker` names this daemon in claims.
    pub fn new(
        writer: Writer,
        reader: Reader,
        planner: Planner,
        world: Arc<World>,
        metrics: Arc<Metrics>,
        worker: String,
    ) -> (Self, Handle) {
        let (outbox, inbox) = mpsc::channel(INBOX);
        let told = world.told.clone();
        let handle = Handle {
            inbox: outbox.clone(),
            told: told.subscribe(),
        };
        let engine = Engine {
            writer,
            reader,
            planner,
            metrics,
            worker,
            lanes: Lanes::new(world.stopping.clone()),
            world,
            inbox,
            outbox,
            told,
            unsaved: VecDeque::new(),
            refused: None,
            retry_at: None,
            wake_at: None,
            locked: None,
            unwritable: None,
            draining: None,
        };
        (engine, handle)
    }

    /// Takes up what an earlier daemon left, then serves until drained.
    ///
    /// # Errors
    /// Only from the start: when what is pending cannot be read.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let last = self.reader.last_event().await?;
        self.told.send_replace(last);
        // Everything that was asked for and not reported is performed (again): a repeat is harmless, a live keeper is
        // adopted, and the slots of what is still alive are already counted from the facts.
        let pending = self.reader.pending_effects().await?;
        self.lanes.add(pending.into_iter().map(Job::Run));
        // A handover begins only after everything that its run's end asked for.
        let pending = self.reader.pending_handovers().await?;
        self.lanes.add(pending.into_iter().map(Job::Handover));
        for run in self.lanes.runs() {
            self.advance(&run).await;
        }
        self.wake().await;
        let mut woken = false;
        loop {
            if self.has_drained() {
                self.end().await;
                return Ok(());
            }
            let deadline = self.deadline();
            if !woken && deadline.is_some_and(|at| at <= Instant::now()) {
                self.wake().await;
                woken = true;
                continue;
            }
            woken = false;
            tokio::select! {
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.handle(message).await,
                    None => return Ok(()),
                },
                () = sleep_until(deadline), if deadline.is_some() => self.wake().await,
            }
        }
    }

    /// When to look again without being asked: the next try of what could not be done, else the next stored deadline.
    fn deadline(&self) -> Option<Instant> {
        // What could not be done is tried again then, and not before: what is due would fail as well, at once and without end.
        if self.retry_at.is_some() || self.draining.is_some() {
            // A daemon that ends begins nothing any more that was planned.
            return self.retry_at;
        }
        self.wake_at.map(|at| {
            let ms = at.ms_since(clock::now());
            Instant::now() + Duration::from_millis(ms.min(MAX_SLEEP_MS))
        })
    }

    async fn handle(&mut self, message: Message) {
        match message {
            Message::Create(new, reply) => {
                let created = self.writer.create(*new).await;
                if let Ok(crate::store::Created::New(_, events)) = &created {
                    self.tell(events);
                }
                let _ = reply.send(created);
                self.plan().await;
            }
            Message::Operate(run, event, reply) => {
                let applied = self
                    .apply(Apply::new(run.clone(), *event, clock::now()))
                    .await;
                let _ = reply.send(applied);
                self.advance(&run).await;
                self.plan().await;
            }
            Message::HandOver(run, event, reply) => {
                let handed = self
                    .hand_over(HandOver::new(run.clone(), event, clock::now()))
                    .await;
                let _ = reply.send(handed);
                self.advance(&run).await;
            }
            Message::Explain(reply) => {
                let schedule = self.ask_scheduler(clock::now()).await;
                let _ = reply.send(schedule);
            }
            Message::Unstored(reply) => {
                let _ = reply.send(Ok(self.unstored(clock::now())));
            }
            Message::Performed(effect, done) => {
                self.lanes.finished(&effect.run_id, effect.id);
                let run = effect.run_id.clone();
                if done.again {
                    // Still pending in the store, too: a daemon that dies now performs it again.
                    self.lanes.add_first(Job::Run(*effect));
                    self.try_again();
                    // What it gave way to does not wait for that.
                    if self.lanes.gives_way(&run) {
                        self.advance(&run).await;
                    }
                    return;
                }
                self.unsaved.push_back(Report::Run(effect, done));
                self.save_reports().await;
                self.advance(&run).await;
                self.plan().await;
            }
            Message::HandedOver(effect, done) => {
                self.lanes.finished(&effect.run_id, effect.id);
                self.unsaved
                    .push_back(Report::Handover(Box::new(effect), done));
                self.save_reports().await;
            }
            Message::Drain(steps, reply) => {
                self.drain(steps, reply);
                // Nothing starts any more, and the world is told why.
                self.plan().await;
            }
        }
    }

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

    async fn save_handover(
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

    /// Applies one event to a handover, tells the world, and puts what is to be performed into the lanes.
    async fn hand_over(&mut self, request: HandOver) -> Result<HandedOver, StoreError> {
        let run = request.run_id.clone();
        let name = request.event.name();
        let handed = self.writer.hand_over(request).await?;
        match &handed.answer {
            HandoverAnswer::Moved(moved) => {
                tracing::info!(%run, event = %name, from = %moved.from, to = %moved.handover.state, "handed over");
                self.lanes
                    .add(moved.effects.iter().cloned().map(Job::Handover));
            }
            HandoverAnswer::Ignored(why) => tracing::debug!(%run, event = %name, why, "ignored"),
            HandoverAnswer::Refused(why) => tracing::debug!(%run, event = %name, why, "refused"),
        }
        self.tell(&handed.events);
        if handed.events.is_empty() {
            self.told.send_modify(|_| {});
        }
        Ok(handed)
    }

    async fn save_report(&mut self, effect: &StoredEffect, done: &Done) -> Result<(), StoreError> {
        let now = clock::now();
        let finished = EffectDone {
            id: effect.id,
            outcome: done.outcome.clone(),
        };
        let Some(event) = &done.event else {
            if let Some(step) = &done.step {
                // What became of the step is told even when its run no longer waits for it.
                match self.writer.step_event(step.clone(), now).await? {
                    StepApplied::Moved(_, told) => self.tell(&told),
                    StepApplied::Ignored(_) | StepApplied::Refused(_) => {}
                }
            }
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

    /// Applies one event, tells the world, and puts what is to be performed into the lanes.
    pub(super) async fn apply(&mut self, apply: Apply) -> Result<Applied, StoreError> {
        let run = apply.run_id.clone();
        let name = apply.event.name();
        let applied = self.writer.apply(apply).await?;
        self.tell(&applied.events);
        if applied.events.is_empty() {
            // Nothing for the world, but whoever waits for a run to settle, or for an effect to be over, has to look again.
            self.told.send_modify(|_| {});
        }
        match &applied.answer {
            Answer::Moved(moved) => {
                tracing::info!(%run, event = %name, from = %moved.from, to = %moved.run.state, rev = moved.run.rev, "moved");
                self.metrics.transitions.inc();
                self.lanes.drop_effects(&run, &moved.dropped);
                self.lanes.add(moved.effects.iter().cloned().map(Job::Run));
            }
            Answer::Ignored(why) => tracing::debug!(%run, event = %name, why, "ignored"),
            Answer::Refused(why) => tracing::debug!(%run, event = %name, why, "refused"),
            Answer::Stale(seen) => tracing::debug!(%run, event = %name, rev = seen.rev, "stale"),
        }
        Ok(applied)
    }

    pub(super) fn tell(&self, events: &[StoredEvent]) {
        if let Some(last) = events.last() {
            // A step may have told something newer meanwhile.
            self.told.send_modify(|told| *told = last.seq.max(*told));
        }
    }

    /// Lets the run's lane go on with its next effect, when it is idle. What a daemon that ends does not begin is still
    /// pending for the next one.
    pub(super) async fn advance(&mut self, run: &RunId) {
        if self.draining.is_some() {
            return;
        }
        while let Some((job, stop)) = self.lanes.next(run) {
            let stored = match self.reader.run(run).await {
                Ok(Some(stored)) => stored,
                Ok(None) => {
                    tracing::error!(%run, "an effect belongs to a run that does not exist");
                    self.lanes.finished(run, job.id());
                    continue;
                }
                Err(error) => {
                    // Left pending: taken up again with the next message for this run, or at the next start.
                    tracing::error!(%run, %error, "failed to read a run");
                    self.lanes.finished(run, job.id());
                    self.lanes.add_first(job);
                    self.try_again();
                    return;
                }
            };
            match job {
                Job::Run(effect) if performers::superseded(&effect, &stored) => {
                    let done = Done::nothing("superseded");
                    self.lanes.finished(run, effect.id);
                    self.unsaved
                        .push_back(Report::Run(Box::new(effect), Box::new(done)));
                    Box::pin(self.save_reports()).await;
                }
                Job::Run(effect) => {
                    performers::spawn(&self.world, &self.outbox, effect, stored, stop);
                    return;
                }
                Job::Handover(effect) => {
                    performers::spawn_handover(&self.world, &self.outbox, effect, stored);
                    return;
                }
            }
        }
    }

    /// Something may be due: reports to save, timers to fire, runs to start.
    async fn wake(&mut self) {
        // Whatever fails again below asks for the next try anew.
        self.retry_at = None;
        self.save_reports().await;
        for run in self.lanes.runs() {
            self.advance(&run).await;
        }
        self.fire_timers().await;
        self.plan().await;
    }

    async fn fire_timers(&mut self) {
        if self.draining.is_some() {
            return;
        }
        let now = clock::now();
        let due = match self.reader.due(now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "failed to read the timers");
                self.try_again();
                return;
            }
        };
        for (run, event) in due {
            if let Err(error) = self.apply(Apply::new(run.clone(), event, now)).await {
                tracing::error!(%run, %error, "failed to fire a timer");
                self.retry_after(&error);
                return;
            }
            self.advance(&run).await;
        }
    }

    /// Asks the scheduler and claims what it starts. Called after everything that may have changed its answer.
    async fn plan(&mut self) {
        let now = clock::now();
        let schedule = match self.ask_scheduler(now).await {
            Ok(schedule) => schedule,
            Err(error) => {
                tracing::error!(%error, "failed to read the queue");
                self.try_again();
                return;
            }
        };
        let mut overtaken = schedule.overtaken.clone();
        for id in &schedule.start {
            let id = RunId(id.clone());
            let event = Event::Claim {
                worker: self.worker.clone(),
            };
            let mut claim = Apply::new(id.clone(), event, now);
            claim.overtaken = std::mem::take(&mut overtaken);
            match self.apply(claim).await {
                Ok(_) => self.advance(&id).await,
                Err(error) => {
                    tracing::error!(run = %id, %error, "failed to claim");
                    self.retry_after(&error);
                    return;
                }
            }
        }
        self.tell_gates(&schedule).await;
        self.wake_at = match self.reader.next_timer().await {
            Ok(next) => [next, schedule.wake_at].into_iter().flatten().min(),
            Err(error) => {
                tracing::error!(%error, "failed to read the next timer");
                self.try_again();
                schedule.wake_at
            }
        };
    }

    /// Tells the world which gates hold a run, when that has changed.
    async fn tell_gates(&mut self, schedule: &Schedule) {
        for (run, gates) in self.planner.changed_gates(schedule) {
            let blocked = gates.iter().filter(|g| g.name() == "workspace_cap").count();
            self.metrics.queue_blocked_workspace.inc_by(blocked as u64);
            let names: Vec<&str> = gates.iter().map(Gate::name).collect();
            tracing::info!(%run, gates = names.join(","), "held in the queue");
            let told = vec![PublicEvent::RunBlocked { gates }];
            match self.writer.publish(&run, told, clock::now()).await {
                Ok(events) => self.tell(&events),
                // The event is news, not state: `why` asks the scheduler anew.
                Err(error) => tracing::warn!(%run, %error, "failed to tell which gates hold a run"),
            }
        }
    }

    async fn ask_scheduler(&self, now: Time) -> Result<Schedule, StoreError> {
        let around = Around {
            draining: self.draining.is_some(),
            locked: self.locked.clone(),
            unwritable: self.unwritable.clone(),
        };
        self.planner.plan(&self.reader, now, around).await
    }

    /// Something could not be done: it is tried again soon. Who fails meanwhile does not put that off.
    fn try_again(&mut self) {
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }

    /// What cannot be written down: anything, by a look at the disk, or the reports that the store has not taken.
    fn unstored(&self, now: Time) -> Option<Unstored> {
        let nothing = self.planner.takes_nothing(now);
        let runs = match nothing {
            Some(_) => None,
            None => Some(self.unsaved.iter().map(Report::run).cloned().collect()),
        };
        let gate = self.refused.clone().or(nothing.map(Gate::from))?;
        Some(Unstored { gate, runs })
    }

    /// Something could not be written: it is tried again soon, and until then a lock that somebody else holds is a gate, and
    /// so is a file system that takes nothing.
    fn retry_after(&mut self, error: &StoreError) {
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

/// Sleeps until the deadline; the caller asks only when there is one.
async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
