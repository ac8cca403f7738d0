//! The engine: one task that owns the truth. Requests, reports, deadlines and wake-ups all arrive here, one after the
//! other; each becomes an event for the machine by way of `store::apply`, and what the machine asks for goes into the
//! lanes. It knows no phase and no order of phases: those are rows of `machines/run.toml`.
//!
//! There is no polling: between two messages the task sleeps until the next stored deadline, and an idle daemon has none.
//! What is due goes before a message, but never twice in a row: neither a full inbox nor a deadline that stays due starves
//! the other. Not here: how an event gets into the tables ([`applying`](super::applying)), what was performed
//! ([`reports`](super::reports)), what is due ([`due`](super::due)), how it ends ([`draining`](super::draining)).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::draining::Draining;
use super::handle::{Handle, Message};
use super::job::Job;
use super::lanes::Lanes;
use super::metrics::Metrics;
use super::planning::Planner;
use super::reports::Report;
use super::{clock, performers};
use crate::core::run::RunId;
use crate::core::schedule::{Gate, StoreLock, Unwritable};
use crate::core::time::Time;
use crate::effect::{Done, World};
use crate::store::{Apply, HandOver, Reader, StoreError, Writer};

/// Messages that may wait for the engine before senders have to wait.
const INBOX: usize = 256;
/// The longest sleep towards a deadline on the wall clock: a clock that jumps is noticed after so long. An engine
/// without a deadline does not wake at all.
const MAX_SLEEP_MS: u64 = 60_000;

/// The one task.
pub struct Engine {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) planner: Planner,
    pub(super) metrics: Arc<Metrics>,
    pub(super) world: Arc<World>,
    pub(super) worker: String,
    pub(super) lanes: Lanes,
    inbox: mpsc::Receiver<Message>,
    outbox: mpsc::Sender<Message>,
    pub(super) told: watch::Sender<u64>,
    /// Reports that the store could not take yet: they are the only account of what happened and are never dropped.
    pub(super) unsaved: VecDeque<Report>,
    /// Why the first of them was not taken.
    pub(super) refused: Option<Gate>,
    pub(super) retry_at: Option<Instant>,
    pub(super) wake_at: Option<Time>,
    /// The store could not be written because somebody else holds its lock.
    pub(super) locked: Option<StoreLock>,
    /// The store could not be written because its file system takes nothing.
    pub(super) unwritable: Option<Unwritable>,
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
        self.wake_at
            .map(|at| Instant::now() + sleep_towards(at, clock::now()))
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
                    return self.put_back(*effect).await;
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
}

/// How long to sleep towards a time of day.
fn sleep_towards(at: Time, now: Time) -> Duration {
    Duration::from_millis(at.ms_since(now).min(MAX_SLEEP_MS))
}

/// Sleeps until the deadline; the caller asks only when there is one.
async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_noticed_within_a_minute() {
        let (now, hour) = (Time(1_000_000), 3_600_000);
        for (ahead, slept) in [(0, 0), (1_500, 1_500), (60_000, 60_000), (hour, 60_000)] {
            let sleep = sleep_towards(now.plus_ms(ahead), now);
            assert_eq!(sleep, Duration::from_millis(slept), "{ahead} ms ahead");
        }
        assert_eq!(sleep_towards(Time(0), now), Duration::ZERO, "it is over");
    }
}
