//! After a keeper was killed: its tree goes on without it, and has to be ended before the worktree may be used again.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ending::{self, Stage};
use super::error::KeeperError;
use super::record::KeeperRecord;
use super::tree;
use super::watch::poll;

/// Where the keeper's own grace period is not on record.
const GRACE: Duration = Duration::from_secs(2);

/// What was found of a lost step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Reaped {
    /// Processes that were ended.
    pub ended: usize,
    /// Those that could not be, because they are another user's by now. The step is not gone while they are there.
    pub survivors: Vec<String>,
}

/// Ends every process of a step whose keeper is gone: all of our user's that carry exactly this marker, those in the
/// dead keeper's session, and those below. SIGTERM, the job's grace, SIGKILL until none is left. None there is fine.
/// A process that left the session *and* cleaned its environment *and* lost its parents is not found.
///
/// # Errors
/// `/proc` or the record cannot be read.
pub async fn reap_survivors(dir: &Path, marker: &str) -> Result<Reaped, KeeperError> {
    let keeper = KeeperRecord::read(dir)?;
    let marker = marker.to_owned();
    let work = move || {
        let grace = keeper
            .as_ref()
            .map_or(GRACE, |keeper| Duration::from_millis(keeper.grace_ms));
        let ask = Stage {
            signal: Some(Signal::TERM),
            patience: grace,
        };
        ending::end_all(&[ask], || tree::of_lost(&marker, keeper.as_ref()), rest)
    };
    let ending = tokio::task::spawn_blocking(work)
        .await
        .map_err(std::io::Error::other)
        .and_then(|ending| ending)
        .map_err(KeeperError::os("end the processes of a lost step"))?;
    Ok(Reaped {
        ended: ending.count,
        survivors: ending.survivors,
    })
}

/// Until all have ended or the time has come.
fn rest(mut handles: Vec<OwnedFd>, until: Instant) -> std::io::Result<()> {
    while !handles.is_empty() && Instant::now() < until {
        let fds: Vec<_> = handles.iter().map(AsFd::as_fd).collect();
        let ended = poll(&fds, Some(until))?;
        let mut ended = ended.into_iter();
        handles.retain(|_| ended.next() != Some(true));
    }
    Ok(())
}
