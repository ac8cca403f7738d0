//! What is due: timers that the runs have set, and the runs that the scheduler starts. Asked after everything that may have
//! changed the answer; what is asked for is stored first, so that a daemon that dies in between has lost nothing. Not here:
//! who may start (`core::schedule` decides), and when the engine looks again ([`engine`](super::engine)).

use super::clock;
use super::engine::Engine;
use super::planning::Around;
use crate::core::run::{Event, PublicEvent, RunId};
use crate::core::schedule::{Gate, Schedule};
use crate::core::time::Time;
use crate::store::{Apply, StoreError};

impl Engine {
    pub(super) async fn fire_timers(&mut self) {
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
    pub(super) async fn plan(&mut self) {
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

    pub(super) async fn ask_scheduler(&self, now: Time) -> Result<Schedule, StoreError> {
        let around = Around {
            draining: self.draining.is_some(),
            locked: self.locked.clone(),
            unwritable: self.unwritable.clone(),
        };
        self.planner.plan(&self.reader, now, around).await
    }
}
