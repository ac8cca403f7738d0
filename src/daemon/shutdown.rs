//! `shutdown = "stop"`: the steps that still work are stopped with the daemon. Their runs keep their state; at the next
//! start the steps are found stopped, reported as lost and begun again.

use std::path::Path;

use crate::effect::keeper::{self, Found};
use crate::store::Reader;

/// Stops every step of every run that holds a slot, and waits until they are gone.
pub async fn stop_steps(reader: &Reader, data_dir: &Path) {
    let runs = match reader.holding_slots().await {
        Ok(runs) => runs,
        Err(error) => {
            tracing::error!(%error, "failed to read which steps to stop; they go on under their keepers");
            return;
        }
    };
    for run in runs {
        let Some(step) = &run.facts.step else {
            continue;
        };
        let dir = crate::effect::step_dir(data_dir, &run, step.generation);
        let stopped = match keeper::find(&dir) {
            Ok(Found::Alive(handle)) => handle.stop().await.map(|_| ()),
            Ok(Found::NotStarted | Found::Exited(_) | Found::Lost) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            tracing::error!(run = %run.id, %error, "failed to stop a step");
        }
    }
}
