//! A step: one process attempt of a run, as facts. Its lifecycle is `machines/step.toml`; which phase a step belongs to,
//! which attempt it is and what its outcome means for the run are the run's affair and not known here.

use serde::{Deserialize, Serialize};

use crate::core::time::Time;

include!(concat!(env!("OUT_DIR"), "/step.rs"));

/// What is known about an attempt beside its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFacts {
    /// When the process started; none for a step that never had one.
    pub started_at: Option<Time>,
    /// When the attempt ended; set exactly when its state has ended.
    pub ended_at: Option<Time>,
    /// The exit code of the process; none where it had none (killed by a signal, lost, never started).
    pub exit_code: Option<i32>,
    /// Why it ended as it did; none for a success.
    pub message: Option<String>,
}

impl Rules for StepFacts {
    fn start(&mut self, _event: &Event, now: Time) {
        self.started_at = Some(now);
    }

    fn finish(&mut self, event: &Event, now: Time) {
        self.ended_at = Some(now);
        match event {
            Event::Started => {}
            Event::Succeeded { exit_code } => self.exit_code = *exit_code,
            Event::Failed { exit_code, message }
            | Event::Retried { exit_code, message }
            | Event::Canceled { exit_code, message } => {
                self.exit_code = *exit_code;
                self.message = Some(message.clone());
            }
            Event::Lost { message } => self.message = Some(message.clone()),
        }
    }
}
