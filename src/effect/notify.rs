//! Gives one event to the command of `notify`: JSON on its standard input, an environment from the allow-list, a keeper of
//! its own, so that its time is bounded and nothing of it survives. Which events, how many at once and what follows a
//! failure are the caller's business. A repeat takes up the call that is under way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::private_dir;
use super::keeper::{self, Command, CommandRecord, Ended, Found, Job, Stderr, Stdin, Stopped};
use super::perform::World;
use super::perform::environment::Environment;
use crate::core::run::RunId;
use crate::effect::private;

/// Where calls stand, below the data directory.
const CALLS: &str = "notify";
/// Between asking a call that takes too long to end and killing it.
const GRACE: Duration = Duration::from_secs(2);
/// Output that is kept of a call, until it has ended.
const OUTPUT_BYTES: u64 = 64 * 1024;
/// Bytes from the end of a failed call's output that are told.
const TOLD_BYTES: usize = 500;
/// Beyond the allow-list: what a command needs to show something on a person's screen.
const SCREEN: [&str; 3] = ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"];

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Run by `/bin/sh -c`.
    pub command: &'a str,
    /// The run that the event is about; with the number it marks the processes of the call, and no others on this machine.
    pub run_id: &'a RunId,
    /// The event's number; names the call.
    pub seq: u64,
    /// What stands on its standard input.
    pub json: &'a str,
    /// How long it may take.
    pub timeout: Duration,
}

/// Where the calls of a daemon stand, and what is noted of them.
pub fn notices_dir(data_dir: &Path) -> PathBuf {
    data_dir.join(CALLS)
}

/// Calls the command and waits until nothing of it is left.
///
/// # Errors
/// In words: it could not be started, took too long or failed, with the end of what it said.
pub async fn notify(world: &World, notice: &Notice<'_>) -> Result<(), String> {
    let dir = notices_dir(&world.data_dir).join(notice.seq.to_string());
    let called = call(world, notice, &dir).await;
    if called.is_err() {
        world.goes_on().await;
    }
    let said = said(&dir);
    if let Err(error) = std::fs::remove_dir_all(&dir) {
        tracing::warn!(dir = %dir.display(), %error, "failed to clear up after the notify command");
    }
    let record = called?;
    let how = match (record.exit_code, record.stopped, &record.not_started) {
        (Some(0), None, None) => return Ok(()),
        (_, _, Some(why)) => why.clone(),
        (_, Some(Stopped::TimedOut | Stopped::Idle), None) => {
            format!("it took longer than {} s", notice.timeout.as_secs_f32())
        }
        (_, Some(Stopped::Canceled), None) => "it was stopped".to_owned(),
        (Some(code), None, None) => format!("it exited with {code}"),
        (None, None, None) => "a signal ended it".to_owned(),
    };
    Err(match said.as_str() {
        "" => how,
        said => format!("{how}; it said: {said}"),
    })
}

async fn call(world: &World, notice: &Notice<'_>, dir: &Path) -> Result<CommandRecord, String> {
    let told = |error: keeper::KeeperError| error.to_string();
    // The number alone would be that of another daemon's call, too, and each would end the other's.
    let marker = keeper::marker(&format!("{}.{CALLS}.{}", notice.run_id, notice.seq));
    if let Found::Lost = keeper::find(dir).map_err(told)? {
        // Killed with its keeper, or the machine went down: nobody knows whether anybody was told.
        let _ = keeper::reap_survivors(dir, &marker).await.map_err(told)?;
        std::fs::remove_dir_all(dir).map_err(|e| format!("clear {}: {e}", dir.display()))?;
    }
    if let Found::NotStarted = keeper::find(dir).map_err(told)? {
        let input = dir.join("event.json");
        private_dir(dir)
            .and_then(|()| private::write(&input, notice.json))
            .map_err(|e| format!("write {}: {e}", input.display()))?;
    }
    let job = job(world, notice, dir, marker.clone())?;
    let handle = keeper::start(dir, &job, &world.self_exe)
        .await
        .map_err(told)?;
    match handle.wait().await.map_err(told)? {
        Ended::Exited(record) => match record.refused {
            Some(why) => Err(why),
            None => Ok(record.commands.into_iter().next().unwrap_or_default()),
        },
        Ended::Lost => {
            let _ = keeper::reap_survivors(dir, &marker).await.map_err(told)?;
            Err("its keeper was killed".to_owned())
        }
    }
}

fn job(world: &World, notice: &Notice<'_>, dir: &Path, marker: String) -> Result<Job, String> {
    let pass = SCREEN.map(str::to_owned);
    let env = Environment::of(&world.environment, &pass).map_err(|trouble| trouble.message)?;
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Job {
        marker,
        commands: vec![Command {
            argv: ["/bin/sh", "-c", notice.command].map(Into::into).to_vec(),
            cwd: world.data_dir.clone().into(),
            env: env.into_entries(),
            stdin: Stdin::File(dir.join("event.json").into()),
            stdout: dir.join("output").into(),
            stderr: Stderr::Merged,
            timeout_ms: Some(ms(notice.timeout)),
            idle_timeout_ms: None,
            max_output_bytes: OUTPUT_BYTES,
        }],
        grace_ms: ms(GRACE),
        worktree_lock: None,
        // The user's own command, with all that the user may.
        sandbox: None,
    })
}

/// The end of what the call said, on one line.
fn said(dir: &Path) -> String {
    // Without it only the wording of a cause is poorer.
    let bytes = std::fs::read(dir.join("output")).unwrap_or_default();
    let end = bytes.len().saturating_sub(TOLD_BYTES);
    let text = String::from_utf8_lossy(bytes.get(end..).unwrap_or_default()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_that_was_said_the_end_is_told_on_one_line() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(said(dir.path()), "");
        let long = format!("{}\n the\tend\n", "word ".repeat(1000));
        std::fs::write(dir.path().join("output"), long).expect("a file");
        let said = said(dir.path());
        assert!(said.ends_with("word the end"), "{said}");
        assert!(said.len() <= TOLD_BYTES && !said.contains('\n'));
    }
}
