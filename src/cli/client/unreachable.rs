//! The daemon cannot be reached: the kinds that a person has to tell apart, and what to do about each.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::address::Address;

/// What keeps the daemon from being reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody accepts connections.
    NothingListens,
    /// The same; not even the directory of the socket is there.
    NoDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// The name of the host means nothing here.
    UnknownHost,
    /// Somebody accepts connections and does not answer.
    TimedOut,
    /// Somebody else answers.
    NotLoopd,
    /// The daemon refuses the token, or there is none that could be sent.
    TokenRefused {
        /// Where the token came from; never the token.
        place: String,
    },
    /// The socket belongs to somebody else.
    Denied,
}

/// The daemon cannot be reached. Ends `loopctl` with exit code 3.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to reach loopd at {address}: {} ({cause}; {})", self.what(), self.effort())]
pub struct Unreachable {
    /// What keeps it from being reached.
    pub kind: Kind,
    /// Where it was tried.
    pub address: Address,
    /// What the last attempt found.
    pub cause: String,
    /// How many attempts there were, at least one.
    pub attempts: u32,
    /// How long they took, pauses included.
    pub elapsed: Duration,
    /// The command that starts a daemon there.
    pub start: String,
}

impl Unreachable {
    fn what(&self) -> &'static str {
        match self.kind {
            Kind::NothingListens | Kind::NoDirectory { .. } => "nothing listens there",
            Kind::UnknownHost => "the name of the host is not known",
            Kind::TimedOut => "timed out",
            Kind::NotLoopd => "what listens there is not loopd",
            Kind::TokenRefused { .. } => "token refused",
            Kind::Denied => "access denied",
        }
    }

    fn effort(&self) -> String {
        let tenths = (self.elapsed.as_millis() + 50) / 100;
        let plural = if self.attempts == 1 { "" } else { "s" };
        format!(
            "{} attempt{plural} in {}.{} s",
            self.attempts,
            tenths / 10,
            tenths % 10
        )
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        let start = &self.start;
        match &self.kind {
            Kind::NothingListens => format!("start the daemon with `{start}`"),
            Kind::NoDirectory { dir } => format!(
                "there is no directory {}: look at --addr or LOOPD_ADDR; or make it, and start the daemon with `{start}`",
                dir.display()
            ),
            Kind::UnknownHost => format!(
                "look at the name in --addr or LOOPD_ADDR; a daemon of this machine is at `http://127.0.0.1:PORT` (here it would be `{start}`)"
            ),
            Kind::TimedOut => format!(
                "look at the daemon's log, or give it more time with --ready-timeout; it is started with `{start}`"
            ),
            Kind::NotLoopd => format!(
                "give the daemon's address with --addr or LOOPD_ADDR, or start one elsewhere: `loopd --addr http://127.0.0.1:PORT` (here it would be `{start}`)"
            ),
            Kind::TokenRefused { place } => format!(
                "the token {place} was used; give the daemon's own with --token, LOOPD_TOKEN or --data-dir (it was started with `{start}` or the like)"
            ),
            Kind::Denied => format!(
                "run loopctl as the user who owns the daemon and its socket, or start your own with `{start}`"
            ),
        }
    }
}

/// Reads `5s`, `500ms`, `1m 30s`; and `0`, which needs no unit: look once and do not wait.
///
/// # Errors
/// A text that is no duration, or a negative one.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write it like 5s, 500ms or 1m30s".to_owned())?;
    Duration::try_from(duration).map_err(|_| "a timeout cannot be negative".to_owned())
}
