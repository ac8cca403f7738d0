//! How the engine ends: nothing is started any more; the steps that work are left to their keepers, or ended with the
//! daemon. In the latter case the engine goes on until every performer has let go and its report is stored, so that no step
//! is begun behind its back and none counts as lost. Not here: what ending a step takes (its performer knows), and what the
//! run makes of it (a row of `machines/run.toml`).

use tokio::sync::oneshot;

use super::engine::Engine;
use crate::config::Shutdown;

/// What the engine does when it ends.
#[derive(Debug)]
pub(super) struct Draining {
    steps: Shutdown,
    /// Those who wait for the end.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Engine {
    /// Begins to end. Asked twice, the first wish counts: an engine that keeps its steps has ended before it hears another.
    pub(super) fn drain(&mut self, steps: Shutdown, reply: oneshot::Sender<()>) {
        let draining = self.draining.get_or_insert_with(|| Draining {
            steps,
            waiting: Vec::new(),
        });
        draining.waiting.push(reply);
        match steps {
            Shutdown::Keep => {}
            // All of them at once: each performer ends the step that it waits for.
            Shutdown::Stop => self.world.stopping.cancel(),
        }
    }

    /// Whether nothing is left to wait for.
    pub(super) fn has_drained(&self) -> bool {
        match &self.draining {
            None => false,
            Some(draining) => match draining.steps {
                Shutdown::Keep => true,
                Shutdown::Stop => self.lanes.are_idle(),
            },
        }
    }

    /// The last thing that the engine does.
    pub(super) async fn end(&mut self) {
        // What cannot be stored now is still pending, and is found again by the next daemon.
        self.save_reports().await;
        let waiting = self.draining.take().map(|it| it.waiting);
        for reply in waiting.into_iter().flatten() {
            // Whoever does not wait any more needs no answer.
            let _ = reply.send(());
        }
    }
}
