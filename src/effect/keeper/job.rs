//! What a keeper is told to do: the commands of one step, in order. Written as `job.json` into the step's directory
//! and taken away by the keeper when it has read it, because an environment may hold keys.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::KeeperError;
use super::files;
use super::text::OsText;
use crate::effect::confine::Sandbox;

/// The name of the variable that marks every process of a step.
pub const MARKER_NAME: &str = "LOOPD_STEP";

/// The entry of the environment that marks every process of this step.
pub fn marker(step_id: &str) -> String {
    format!("{MARKER_NAME}={step_id}")
}

/// The commands of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// `NAME=value`, added to the environment of each command and looked for when the step has to be ended; see
    /// [`marker`]. It must be this step's alone.
    pub marker: String,
    /// Run one after the other, each in a process group of its own.
    pub commands: Vec<Command>,
    /// Between SIGTERM and SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// A file that is locked as long as the keeper lives, so that two steps never work in one worktree.
    #[serde(default)]
    pub worktree_lock: Option<OsText>,
    /// What its processes may write; `None`: everything that their user may.
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

/// One command of a step. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program, found by the `PATH` of `env` unless it holds a slash, and its arguments.
    pub argv: Vec<OsText>,
    pub cwd: OsText,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsText, OsText)>,
    #[serde(default)]
    pub stdin: Stdin,
    /// Created or emptied, then written as output arrives.
    pub stdout: OsText,
    #[serde(default)]
    pub stderr: Stderr,
    /// From its start, by the monotonic clock: time in which the machine is suspended does not count.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// End it after so long without output and with less than 1 % of a core used by its process tree. It is looked at
    /// four times in that span, so that the end comes after up to a quarter more.
    #[serde(default)]
    pub idle_timeout_ms: Option<u64>,
    /// Kept of each output file, head and tail; see [`super::output`]. What is cut is read and counted all the same.
    pub max_output_bytes: u64,
}

/// Where a command reads from. Never a pipe: some agents wait for its end before they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// From the beginning of this file.
    File(OsText),
}

/// Where a command's standard error goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stderr {
    /// Into the same file as its output, in the order of writing.
    #[default]
    Merged,
    /// Into a file of its own.
    File(OsText),
}

impl Job {
    /// Looks for what no keeper could carry out.
    ///
    /// # Errors
    /// [`KeeperError::Job`], naming the command and what is wrong with it.
    pub fn check(&self) -> Result<(), KeeperError> {
        let wrong = |what: String| Err(KeeperError::Job(what));
        match self.marker.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {}
            Some(_) | None => {
                return wrong(format!("the marker `{}` is no NAME=value", self.marker));
            }
        }
        if self.marker.contains('\0') {
            return wrong("the marker holds a NUL".to_owned());
        }
        for (n, command) in self.commands.iter().enumerate() {
            let n = n + 1;
            if command.argv.is_empty() {
                return wrong(format!("command {n} has no program"));
            }
            if let Some(path) = command.paths().find(|path| !path.is_absolute()) {
                return wrong(format!("command {n}: {} is not absolute", path.display()));
            }
            if let Stderr::File(stderr) = &command.stderr
                && *stderr == command.stdout
            {
                return wrong(format!(
                    "command {n}: output and errors go to one file; say that they are merged"
                ));
            }
            let bad_name = |name: &OsStr| name.is_empty() || name.as_bytes().contains(&b'=');
            if let Some((name, _)) = command.env.iter().find(|(name, _)| bad_name(name)) {
                return wrong(format!(
                    "command {n}: `{}` is no name of a variable",
                    name.display()
                ));
            }
        }
        Ok(())
    }

    /// Writes the job for the keeper, readable by its owner alone.
    pub(super) fn put(&self, dir: &Path) -> Result<(), KeeperError> {
        files::write(&dir.join(files::JOB), self)
    }

    /// Reads the job and takes it away.
    pub(super) fn take(dir: &Path) -> Result<Self, KeeperError> {
        let path = dir.join(files::JOB);
        let job: Self = files::read(&path)?.ok_or_else(|| KeeperError::Absent(path.clone()))?;
        files::remove(&path)?;
        job.check()?;
        Ok(job)
    }
}

impl Command {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let stdin = match &self.stdin {
            Stdin::Null => None,
            Stdin::File(path) => Some(path),
        };
        let stderr = match &self.stderr {
            Stderr::Merged => None,
            Stderr::File(path) => Some(path),
        };
        [Some(&self.cwd), Some(&self.stdout), stdin, stderr]
            .into_iter()
            .flatten()
            .map(OsText::as_path)
    }
}
