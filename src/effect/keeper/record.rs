//! What a keeper writes down: who it is, and how its commands ended. Times on the wall clock are for people; durations
//! come from the monotonic clock.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::KeeperError;
use super::files;
use crate::core::step::Confinement;
use crate::core::time::Time;
use crate::effect::proc::Identity;

/// A keeper, as it may be found again by a later daemon: `keeper.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperRecord {
    #[serde(flatten)]
    pub identity: Identity,
    pub boot_id: String,
    /// The version of the binary that it runs; an upgraded daemon adopts older keepers.
    pub version: String,
    /// As in the job.
    pub marker: String,
    /// As in the job.
    pub grace_ms: u64,
    /// How far its commands are confined; `None` from a keeper of a version that could not.
    #[serde(default)]
    pub confinement: Option<Confinement>,
}

impl KeeperRecord {
    /// The record in a step's directory; `None` when no keeper has come up there.
    ///
    /// # Errors
    /// When the file cannot be read or has another shape.
    pub fn read(dir: &Path) -> Result<Option<Self>, KeeperError> {
        files::read(&dir.join(files::KEEPER))
    }
}

/// How a step ended: `exit.json`. When it exists, no process of the step is left but `survivors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Those that were started or could not be, in order. The others were left out.
    pub commands: Vec<CommandRecord>,
    /// Processes that outlived a command that had ended by itself, and were ended.
    #[serde(default)]
    pub left_behind: Vec<String>,
    /// Processes that we were not permitted to end: another user's, by way of a set-user-id program.
    #[serde(default)]
    pub survivors: Vec<String>,
    /// The keeper was asked to stop before the last command had ended.
    #[serde(default)]
    pub canceled: bool,
    /// Nothing was started, and why. The same directory may be started again.
    #[serde(default)]
    pub refused: Option<String>,
}

impl ExitRecord {
    /// The record in a step's directory; `None` when the step has not ended.
    ///
    /// # Errors
    /// When the file cannot be read or has another shape.
    pub fn read(dir: &Path) -> Result<Option<Self>, KeeperError> {
        files::read(&dir.join(files::EXIT))
    }
}

/// How one command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// `None` when a signal ended it, or it did not start.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why the keeper ended it; `None` when it ended by itself.
    pub stopped: Option<Stopped>,
    /// Why it could not be started.
    #[serde(default)]
    pub not_started: Option<String>,
    /// When it was started.
    pub started_ms: Time,
    /// From its start until nothing of it was left.
    pub duration_ms: u64,
    /// Written by it in all, output and errors, cut or not.
    pub output_bytes: u64,
    /// Lines of that; a last one without its line end counts.
    pub output_lines: u64,
    /// A file holds only its head and its tail.
    pub truncated: bool,
    /// The files lack output because they could not be written, and why.
    #[serde(default)]
    pub output_error: Option<String>,
    /// What ran when its time was over, itself among it, and was ended: the hook or the tool that it waited for.
    #[serde(default)]
    pub running: Vec<String>,
}

/// So many of the processes that ran are told to a person; the latest began last, and are what the others wait for.
const TOLD_RUNNING: usize = 4;

impl CommandRecord {
    /// What ran when its time was over, in words; `None` where it ended in another way.
    pub fn was_running(&self) -> Option<String> {
        let latest = self.running.len().saturating_sub(TOLD_RUNNING);
        let latest = self.running.get(latest..)?;
        (!latest.is_empty()).then(|| format!("there ran then: {}", latest.join(", ")))
    }
}

/// Why the keeper ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Its time was up.
    TimedOut,
    /// It neither wrote nor computed.
    Idle,
    /// The keeper was asked to stop.
    Canceled,
}
