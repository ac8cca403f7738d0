//! A step: one process attempt of a run, as facts. Its lifecycle is `machines/step.toml`; which phase a step belongs to,
//! which attempt it is and what its outcome means for the run are the run's affair and not known here.

use serde::{Deserialize, Serialize};

use crate::core::skills::Briefing;
use crate::core::time::Time;

include!(concat!(env!("OUT_DIR"), "/step.rs"));

/// How far the process of a step was confined to the places that it has to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// How far.
    pub level: Confined,
    /// The version of the kernel's Landlock; 0 where it has none, or nobody asked.
    #[serde(default)]
    pub landlock_abi: u32,
    /// What it could write although it should not, and why, in sentences.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// How far a process is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confined {
    /// Not at all, as was asked.
    Off,
    /// Not at all, because it was not possible.
    None,
    /// But for what is told.
    Partial,
    /// Wholly.
    Full,
}

impl Confinement {
    /// Nobody asked for any.
    pub fn off() -> Self {
        Confinement {
            level: Confined::Off,
            landlock_abi: 0,
            lacks: Vec::new(),
        }
    }
}

/// The agent that an attempt called, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Its name in the configuration.
    pub name: String,
    /// The language of its stream.
    pub dialect: String,
    /// Its version; `None` where it tells none.
    pub version: Option<String>,
    /// The session that it was to go on with; `None` for a fresh one.
    pub resumes: Option<String>,
}

/// What is known about an attempt beside its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFacts {
    /// When the process started; none for a step that never had one.
    pub started_at: Option<Time>,
    /// The agent that it called; none for an attempt that is no agent's.
    #[serde(default)]
    pub agent: Option<Called>,
    /// When the attempt ended; set exactly when its state has ended.
    pub ended_at: Option<Time>,
    /// The exit code of the process; none where it had none (killed by a signal, lost, never started).
    pub exit_code: Option<i32>,
    /// Why it ended as it did; none for a success.
    pub message: Option<String>,
    /// How far its process is confined; none for a step that never had one.
    #[serde(default)]
    pub confinement: Option<Confinement>,
    /// What its agent was told of skills; none where there were none.
    #[serde(default)]
    pub briefing: Option<Briefing>,
}

impl Rules for StepFacts {
    fn start(&mut self, event: &Event, now: Time) {
        self.started_at = Some(now);
        if let Event::Started { confinement, agent } = event {
            self.confinement.clone_from(confinement);
            self.agent.clone_from(agent);
        }
    }

    fn brief(&mut self, event: &Event, _now: Time) {
        if let Event::Briefed { briefing } = event {
            self.briefing = Some(briefing.clone());
        }
    }

    fn finish(&mut self, event: &Event, now: Time) {
        self.ended_at = Some(now);
        match event {
            Event::Started { .. } | Event::Briefed { .. } => {}
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
