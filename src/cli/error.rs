//! What can go wrong in `loopctl`, how it is said, and with which exit code it ends.

use std::fmt;
use std::io;

use super::client::unreachable::Unreachable;
use crate::api::wire::ErrorDetail;

/// Exit codes of `loopctl`; a contract that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The request failed.
    Failed = 1,
    /// Wrong use of the command line (also given by the argument parser).
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
    /// No such run.
    NotFound = 4,
    /// The machine refuses it in this state, or the daemon refuses it to whoever asks.
    Refused = 5,
    /// The run that was waited for did not complete.
    NotCompleted = 6,
    /// A person interrupted the waiting; what a shell gives for SIGINT.
    Interrupted = 130,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments make no sense together, or not here.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// No daemon.
    #[error(transparent)]
    Unreachable(Box<Unreachable>),
    /// The daemon said no.
    #[error("failed to {doing}: {}", detail.message)]
    Refused {
        /// What was asked.
        doing: String,
        /// HTTP status.
        status: u16,
        /// The daemon's words.
        detail: ErrorDetail,
    },
    /// Something on this side.
    #[error("failed to {doing}: {cause}")]
    Local {
        /// What was being done.
        doing: String,
        /// Why it failed.
        cause: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The run that was waited for ended otherwise, or waits for a person.
    #[error("run {run} did not complete: {why}")]
    NotCompleted {
        /// The run.
        run: String,
        /// How it ended.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A person interrupted the waiting.
    #[error("stopped waiting; run {run} goes on")]
    Interrupted {
        /// The run.
        run: String,
    },
    /// Standard output is gone or full.
    #[error("failed to write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// A failure on this side without a hint. `doing` completes "failed to …".
    pub fn local(doing: impl Into<String>, cause: impl fmt::Display) -> Self {
        Error::Local {
            doing: doing.into(),
            cause: cause.to_string(),
            hint: None,
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. }
            | Error::Local { hint, .. }
            | Error::NotCompleted { hint, .. } => hint.clone(),
            Error::Unreachable(unreachable) => Some(unreachable.hint()),
            Error::Refused { detail, .. } => detail.hint.clone(),
            Error::Interrupted { run } => Some(format!("end it with `loopctl cancel {run}`")),
            Error::Output(_) => None,
        }
    }

    /// The daemon had no room for the request, and has begun nothing.
    pub fn is_busy(&self) -> bool {
        matches!(self, Error::Refused { status: 503, detail, .. } if detail.code == "busy")
    }

    /// With which code to end. A reader that has seen enough (`loopctl list | head`) is no failure.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Usage { .. } => Exit::Usage,
            Error::Unreachable(_) => Exit::Unreachable,
            Error::Refused { status, detail, .. } => match status {
                404 => Exit::NotFound,
                403 => Exit::Refused,
                // An ambiguous name is the person's mistake, not the machine's refusal.
                409 if !detail.code.starts_with("ambiguous") => Exit::Refused,
                _ => Exit::Failed,
            },
            Error::Local { .. } => Exit::Failed,
            Error::NotCompleted { .. } => Exit::NotCompleted,
            Error::Interrupted { .. } => Exit::Interrupted,
            Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Error::Output(_) => Exit::Failed,
        }
    }

    /// Whether there is anything to say about it.
    pub fn is_silent(&self) -> bool {
        self.exit() == Exit::Done
    }
}
