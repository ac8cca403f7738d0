//! The life of a keeper, from its locks to its record. A step's directory is good for one run: a second keeper that is
//! started there finds the first one, or what it left, and does nothing.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::error::KeeperError;
use super::files::{self, EXIT, JOB, LIFE_LOCK, START_LOCK};
use super::inherit::{self, Signals};
use super::job::Job;
use super::record::{ExitRecord, KeeperRecord};
use super::watch::Watch;
use crate::core::step::{Confined, Confinement};
use crate::effect::confine::Fence;
use crate::effect::proc;

/// Said on the standard output once `keeper.json` or `exit.json` is there, by whichever keeper of this directory.
pub(super) const UP: &str = "up";

/// How long a disk that takes nothing is left before one tries again.
const ROOM: Duration = Duration::from_secs(1);

/// Runs the job in the step's directory to its end. To be called before any thread is started or file opened.
/// Returns the exit status of the process: 0 when the outcome is on record, else 1.
pub fn main(dir: &Path) -> i32 {
    match keep(dir) {
        Ok(()) => 0,
        Err(e) => {
            let _ = writeln!(io::stderr(), "{e}");
            say(&e.to_string());
            1
        }
    }
}

fn keep(dir: &Path) -> Result<(), KeeperError> {
    // Before the working directory changes.
    let dir = dir
        .canonicalize()
        .map_err(KeeperError::at("find the step's directory", dir))?;
    let signals = inherit::shed().map_err(KeeperError::os("become a keeper"))?;
    let starting = files::lock(&dir.join(START_LOCK))?;
    let Some(_life) = files::try_lock(&dir.join(LIFE_LOCK))? else {
        return stand_back(&dir);
    };
    let refused = ExitRecord::read(&dir)?.is_some_and(|exit| exit.refused.is_some());
    if !refused && (dir.join(EXIT).exists() || KeeperRecord::read(&dir)?.is_some()) {
        return stand_back(&dir);
    }
    files::remove(&dir.join(EXIT))?;
    let job = Job::take(&dir)?;
    let worktree = match &job.worktree_lock {
        Some(path) => match files::try_lock(path.as_path())? {
            Some(lock) => Some(lock),
            None => return refuse(&dir, format!("{BUSY}: {} is locked", path.display())),
        },
        None => None,
    };
    let (fence, confinement) = match &job.sandbox {
        Some(sandbox) => sandbox.put_up(),
        None => (None, Confinement::off()),
    };
    if job.sandbox.as_ref().is_some_and(|s| s.required) && confinement.level != Confined::Full {
        let why = confinement.lacks.join("; ");
        return refuse(
            &dir,
            format!("sandbox = \"required\" cannot be kept: {why}"),
        );
    }
    files::write(&dir.join(files::KEEPER), &record(&job, confinement)?)?;
    drop(starting);
    say(UP);
    let exit = run(&job, &signals, fence.as_ref()).map_err(KeeperError::os("watch a command"))?;
    // Nothing of the step is left: the next one may have the worktree as soon as it reads the record.
    drop(worktree);
    record_end(&dir, &exit)
}

/// Writes down how the step ended. A full disk, or one that is read-only for a while, must not make it look lost: whoever
/// has ended waits here until it can be told.
fn record_end(dir: &Path, exit: &ExitRecord) -> Result<(), KeeperError> {
    loop {
        match files::write(&dir.join(EXIT), exit) {
            Err(KeeperError::Os { source, .. }) if takes_nothing(&source) => {
                std::thread::sleep(ROOM)
            }
            written => return written,
        }
    }
}

fn takes_nothing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

fn run(job: &Job, signals: &Signals, fence: Option<&Fence>) -> std::io::Result<ExitRecord> {
    let grace = Duration::from_millis(job.grace_ms);
    let mut watch = Watch {
        signals,
        marker: &job.marker,
        fence,
        grace,
        stop: false,
    };
    let mut exit = ExitRecord::default();
    for command in &job.commands {
        if watch.stop {
            exit.canceled = true;
            break;
        }
        let (record, ending) = watch.run(command)?;
        if record.stopped.is_none() {
            exit.left_behind.extend(ending.ended);
        }
        exit.survivors.extend(ending.survivors);
        exit.canceled |= record.stopped == Some(super::Stopped::Canceled);
        exit.commands.push(record);
    }
    Ok(exit)
}

fn record(job: &Job, confinement: Confinement) -> Result<KeeperRecord, KeeperError> {
    let read = || {
        Ok((
            proc::stat(std::process::id().cast_signed())?.identity,
            proc::boot_id()?,
        ))
    };
    let (identity, boot_id) = read().map_err(KeeperError::os("read /proc"))?;
    Ok(KeeperRecord {
        identity,
        boot_id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        marker: job.marker.clone(),
        grace_ms: job.grace_ms,
        confinement: Some(confinement),
    })
}

/// Another keeper is here, or was: its files say all. A copy of the job that was written meanwhile goes.
fn stand_back(dir: &Path) -> Result<(), KeeperError> {
    files::remove(&dir.join(JOB))?;
    say(UP);
    Ok(())
}

/// How a refusal begins that passes by itself, when whoever works there has ended.
pub const BUSY: &str = "worktree busy";

fn refuse(dir: &Path, why: String) -> Result<(), KeeperError> {
    let refused = Some(why);
    files::write(
        &dir.join(EXIT),
        &ExitRecord {
            refused,
            ..Default::default()
        },
    )?;
    say(UP);
    Ok(())
}

/// One line to the starter. If it is gone, nobody needs to hear it: the files say the same.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
