//! The only two ways from the engine into the tables: one event for a run, one for its handover. What the machine asks for
//! goes into the lanes, and the world is told what was stored. Not here: who asks, and when.

use super::engine::Engine;
use super::job::Job;
use crate::store::{
    Answer, Applied, Apply, HandOver, HandedOver, HandoverAnswer, StoreError, StoredEvent,
};

impl Engine {
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

    /// Applies one event to a handover, tells the world, and puts what is to be performed into the lanes.
    pub(super) async fn hand_over(&mut self, request: HandOver) -> Result<HandedOver, StoreError> {
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
}
