//! After a keeper was killed: its tree goes on without it, and has to be ended before the worktree may be used again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ending::{self, Look, Scene, Stage};
use super::error::KeeperError;
use super::record::KeeperRecord;
use super::tree;
use super::waiting::poll;
use crate::effect::proc::Stat;

/// Where the keeper's own grace period is not on record.
const GRACE: Duration = Duration::from_secs(2);
/// So many looks have to find nothing before it is over.
const LOOKS: u32 = 3;

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
    let grace = keeper
        .as_ref()
        .map_or(GRACE, |keeper| Duration::from_millis(keeper.grace_ms));
    end_unwatched(grace, move || tree::of_lost(&marker, keeper.as_ref())).await
}

/// Whether anything works for a step that `knows` says yes to, given its marker. One walk through `/proc`.
///
/// # Errors
/// `/proc` cannot be read.
pub async fn has_strays(
    knows: impl Fn(&[u8]) -> bool + Send + 'static,
) -> Result<bool, KeeperError> {
    on_a_thread(move || tree::of_strays(knows).map(|seen| !seen.is_empty()))
        .await
        .map_err(KeeperError::os("look for processes of the run"))
}

/// Ends what [`has_strays`] finds, keepers included.
///
/// # Errors
/// `/proc` cannot be read.
pub async fn end_strays(
    knows: impl Fn(&[u8]) -> bool + Send + 'static,
) -> Result<Reaped, KeeperError> {
    end_unwatched(GRACE, move || tree::of_strays(&knows)).await
}

async fn end_unwatched(
    grace: Duration,
    see: impl FnMut() -> io::Result<Vec<Stat>> + Send + 'static,
) -> Result<Reaped, KeeperError> {
    let ask = Stage {
        signal: Some(Signal::TERM),
        patience: grace,
    };
    let mut scene = Lost {
        see,
        empty_looks: 0,
    };
    let ending = on_a_thread(move || ending::end_all(&[ask], &mut scene))
        .await
        .map_err(KeeperError::os("end the processes of a lost step"))?;
    Ok(Reaped {
        ended: ending.count,
        survivors: ending.survivors,
    })
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// The tree of a keeper that is gone. Its orphans have gone to another parent, so the kernel cannot say when it is over.
struct Lost<F> {
    /// Looks for it.
    see: F,
    /// In a row.
    empty_looks: u32,
}

impl<F: FnMut() -> io::Result<Vec<Stat>>> Scene for Lost<F> {
    /// A process that forks and ends during one look may be missed by it, hardly by several.
    fn look(&mut self, _killing: bool) -> io::Result<Look> {
        let seen = (self.see)()?;
        self.empty_looks = if seen.is_empty() {
            self.empty_looks + 1
        } else {
            0
        };
        Ok(if self.empty_looks >= LOOKS {
            Look::Over
        } else {
            Look::Whole(seen)
        })
    }

    fn rest(&mut self, mut handles: Vec<OwnedFd>, until: Instant) -> io::Result<()> {
        if handles.is_empty() {
            let until = until.min(Instant::now() + ending::MOMENT);
            return poll(&[], Some(until)).map(drop);
        }
        while !handles.is_empty() && Instant::now() < until {
            let fds: Vec<_> = handles.iter().map(AsFd::as_fd).collect();
            let ended = poll(&fds, Some(until))?;
            let mut ended = ended.into_iter();
            handles.retain(|_| ended.next() != Some(true));
        }
        Ok(())
    }
}
