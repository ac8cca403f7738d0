//! The daemon's side: start a keeper or find the one that is there, wait for it, stop it. A handle is the same whether
//! this daemon started the keeper or an earlier one did: neither is its parent in any way that matters.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Interest};

use super::error::KeeperError;
use super::files::LOG;
use super::job::Job;
use super::life::UP;
use super::reap::reap_survivors;
use super::record::{ExitRecord, KeeperRecord};
use crate::effect::descriptors;
use crate::effect::hidden::KEEPER;
use crate::effect::private;
use crate::effect::proc;

/// The running binary, also after its file was replaced by an upgrade.
pub const SELF_EXE: &str = "/proc/self/exe";
/// How long a keeper may take beyond the grace period before it is itself ended.
pub const STOP_MARGIN: Duration = Duration::from_secs(20);
/// The longest line that a keeper says when it does not come up.
const SAID_MAX: u64 = 4096;

/// What there is in a step's directory.
#[derive(Debug)]
#[must_use]
pub enum Found {
    /// No keeper has come up here.
    NotStarted,
    /// It works.
    Alive(Handle),
    /// It has ended, or refused to begin, and wrote down how.
    Exited(ExitRecord),
    /// It was here and is gone without a word: killed, or the machine went down. See [`reap_survivors`].
    Lost,
}

/// How waiting for a keeper ends.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    Exited(ExitRecord),
    /// As in [`Found::Lost`].
    Lost,
}

/// A keeper that was started here or adopted.
#[derive(Debug)]
pub struct Handle {
    dir: PathBuf,
    /// `None` when it was gone before it could be looked at.
    keeper: Option<(KeeperRecord, OwnedFd)>,
}

/// Starts a keeper for the job, or finds the one that is or was there: a repeat is harmless, and a directory runs its
/// job once. Only a refused start may be tried again. Returns when the keeper is on record. Dropping the future leaves
/// the keeper to [`find`].
///
/// `exe` is a binary that answers to the hidden subcommand, [`SELF_EXE`] as a rule. The directory exists.
///
/// # Errors
/// A job that cannot be run, a directory that cannot be written, a keeper that does not come up.
pub async fn start(dir: &Path, job: &Job, exe: &Path) -> Result<Handle, KeeperError> {
    job.check()?;
    match find(dir)? {
        Found::Alive(handle) => return Ok(handle),
        Found::Exited(exit) if exit.refused.is_none() => return Ok(Handle::gone(dir)),
        Found::Lost => return Ok(Handle::gone(dir)),
        Found::NotStarted | Found::Exited(_) => {}
    }
    job.put(dir)?;
    let log = dir.join(LOG);
    let log = private::options()
        .append(true)
        .open(&log)
        .map_err(KeeperError::at("open", &log))?;
    // A clean environment: no key of the daemon's stays readable in it, and no marker of a step that the daemon itself
    // may run under is handed on.
    let mut keeper = tokio::process::Command::new(exe);
    descriptors::restore_in(&mut keeper);
    let mut child = keeper
        .arg0("loopd")
        .arg(KEEPER)
        .arg(dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(KeeperError::at("start a keeper by", exe))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout.take(SAID_MAX));
        // What is no line of text is not the word that it is up.
        let _ = lines.read_line(&mut said).await;
    }
    // Reaps it; nothing else hangs on this task.
    tokio::spawn(async move { child.wait().await });
    let not_up = |said: &str| KeeperError::NotUp {
        dir: dir.to_owned(),
        said: said.to_owned(),
    };
    match said.trim() {
        UP => match find(dir)? {
            Found::Alive(handle) => Ok(handle),
            Found::Exited(_) | Found::Lost => Ok(Handle::gone(dir)),
            Found::NotStarted => Err(not_up("it left no record")),
        },
        "" => Err(not_up("it said nothing; see keeper.log there")),
        said => Err(not_up(said)),
    }
}

/// Looks at what there is in a step's directory, and adopts a keeper that lives. One that has the recorded pid but
/// another start time, or is of another boot, is a stranger.
///
/// # Errors
/// Files that cannot be read or are not ours; no descriptor left.
pub fn find(dir: &Path) -> Result<Found, KeeperError> {
    let exited = |exit: Option<ExitRecord>| exit.map_or(Found::Lost, Found::Exited);
    if let Some(exit) = ExitRecord::read(dir)? {
        return Ok(Found::Exited(exit));
    }
    let Some(record) = KeeperRecord::read(dir)? else {
        return Ok(Found::NotStarted);
    };
    let boot_id = proc::boot_id().map_err(KeeperError::os("read the boot id"))?;
    if record.boot_id != boot_id {
        return Ok(Found::Lost);
    }
    match proc::open(record.identity).map_err(KeeperError::os("open a pidfd"))? {
        Some(pidfd) => Ok(Found::Alive(Handle {
            dir: dir.to_owned(),
            keeper: Some((record, pidfd)),
        })),
        // It may have ended between the two looks.
        None => Ok(exited(ExitRecord::read(dir)?)),
    }
}

impl Handle {
    fn gone(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            keeper: None,
        }
    }

    /// Who it is; `None` when it was gone before it could be looked at.
    pub fn record(&self) -> Option<&KeeperRecord> {
        self.keeper.as_ref().map(|(record, _)| record)
    }

    /// Waits until the keeper has ended. Any number of waiters at a time, and again afterwards.
    ///
    /// # Errors
    /// A record that cannot be read, or no descriptor left.
    pub async fn wait(&self) -> Result<Ended, KeeperError> {
        if let Some((_, pidfd)) = &self.keeper {
            ended(pidfd)
                .await
                .map_err(KeeperError::os("wait for a keeper"))?;
        }
        let exit = ExitRecord::read(&self.dir)?;
        Ok(exit.map_or(Ended::Lost, Ended::Exited))
    }

    /// Asks the keeper to end the step, and waits until it has. A keeper that does not is ended itself, and with it
    /// what it kept; the answer then is `Lost`. A repeat is harmless and shortens nothing.
    ///
    /// # Errors
    /// As [`Self::wait`], and those of [`reap_survivors`].
    pub async fn stop(&self) -> Result<Ended, KeeperError> {
        self.stop_within(STOP_MARGIN).await
    }

    /// As [`Self::stop`], with another margin beyond the grace period.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub async fn stop_within(&self, margin: Duration) -> Result<Ended, KeeperError> {
        let Some((record, pidfd)) = &self.keeper else {
            return self.wait().await;
        };
        send(pidfd, Signal::TERM)?;
        let patience = Duration::from_millis(record.grace_ms).saturating_add(margin);
        if let Ok(ended) = tokio::time::timeout(patience, self.wait()).await {
            return ended;
        }
        send(pidfd, Signal::KILL)?;
        let ended = self.wait().await?;
        if let Ended::Lost = ended {
            let _ = reap_survivors(&self.dir, &record.marker).await?;
        }
        Ok(ended)
    }
}

/// A pidfd is readable once its process has ended. The copy is for epoll, which takes each descriptor once.
async fn ended(pidfd: &OwnedFd) -> io::Result<()> {
    let copy = pidfd.try_clone()?;
    // SAFETY: an owned descriptor is open, and stays the same one until the registration drops it.
    let fd = unsafe { AsyncFd::register_with_interest(copy, Interest::READABLE) }?;
    fd.readable().await.map(drop)
}

fn send(pidfd: &OwnedFd, signal: Signal) -> Result<(), KeeperError> {
    match rustix::process::pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(KeeperError::os("signal a keeper")(errno.into())),
    }
}
