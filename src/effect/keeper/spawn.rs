//! Starting one command: its whole environment, its directory, a process group of its own, no open file but the three
//! standard ones, default signals, behind its fence. Why it could not be started is part of the record, never an error of the keeper.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use rustix::process::Pid;

use super::inherit;
use super::job::{Command, Stdin};
use super::streams::Streams;
use crate::effect::confine::Fence;

/// Starts the command with the marker in its environment.
///
/// # Errors
/// A text that names the program, directory or file.
pub fn spawn(
    command: &Command,
    marker: (&str, &str),
    fence: Option<&Fence>,
) -> Result<(Pid, Streams), String> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Err("failed to start a command without a program".to_owned());
    };
    let cwd = command.cwd.as_path();
    // Looked at apart, because exec reports a missing directory and a missing program alike.
    if let Err(e) = std::fs::read_dir(cwd) {
        return Err(format!("failed to enter {}: {e}", cwd.display()));
    }
    let stdin = match &command.stdin {
        Stdin::Null => Stdio::null(),
        Stdin::File(path) => File::open(path.as_path())
            .map_err(|e| format!("failed to read {}: {e}", path.display()))?
            .into(),
    };
    let (streams, stdout, stderr) = Streams::open(command)?;
    let mut child = std::process::Command::new(program);
    child
        .args(arguments)
        .current_dir(cwd)
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .env(marker.0, marker.1)
        .process_group(0)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr);
    inherit::unblock_in(&mut child);
    if let Some(fence) = fence {
        fence.enclose(&mut child);
    }
    let child = child.spawn().map_err(|e| {
        let program = program.display();
        format!("failed to start `{program}`: {e}; is it installed and on the PATH?")
    })?;
    // Reaped with every other child of the keeper, by `wait`; the handle of the standard library is not needed.
    match i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        Some(pid) => Ok((pid, streams)),
        None => Err(format!("`{}` has no valid pid", program.display())),
    }
}
