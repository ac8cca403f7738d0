//! Crashes on demand: the writer counts its commits and dies just before or just after a chosen one, so that tests can
//! show what survives. Only a configured [`CrashPoint`] does that; the room itself reads no environment.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

/// How the writer dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The whole process aborts, as if it had been killed.
    Abort,
    /// Only the writer ends; what was not committed is dropped and later requests get [`StoreError::Gone`](super::StoreError::Gone).
    Quit,
}

/// Which side of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Everything of the transaction is lost.
    Before,
    /// Everything is stored, but nobody is told.
    After,
}

/// The commit to die at; the first commit after opening is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Before or after it.
    pub side: Side,
    /// Its number.
    pub commit: u64,
    /// How.
    pub death: Death,
}

impl CrashPoint {
    /// Dies if this is the moment: aborts, or returns true when the writer has to end.
    pub(super) fn reached(self, side: Side, commit: u64) -> bool {
        if self.side != side || self.commit != commit {
            return false;
        }
        let mut err = std::io::stderr().lock();
        // The proof that the crash happened; a closed stderr must not turn it into another kind of crash.
        let _ = writeln!(err, "loopd: crash point {self} reached");
        let _ = err.flush();
        match self.death {
            Death::Abort => std::process::abort(),
            Death::Quit => true,
        }
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(f, "{side}:{}", self.commit)
    }
}

/// Not a crash point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the crash point {0:?}: expected before:N or after:N with N from 1")]
pub struct BadCrashPoint(pub String);

impl FromStr for CrashPoint {
    type Err = BadCrashPoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadCrashPoint(text.to_owned());
        let (side, commit) = text.split_once(':').ok_or_else(bad)?;
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return Err(bad()),
        };
        let commit = commit.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        Ok(CrashPoint {
            side,
            commit,
            death: Death::Abort,
        })
    }
}
