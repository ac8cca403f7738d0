//! Why something was not cleaned up: what was asked for, what stands in the way, and what to do.

use super::super::handle::AskError;
use crate::core::run::{RunId, Trouble};
use crate::effect::git::GitError;
use crate::store::StoreError;

/// Why a worktree was not removed. Nothing was changed, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// It is no path that could be looked for.
    #[error("the path {path:?} {what}")]
    BadPath {
        /// As it was given, shortened.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// No run of this daemon has or had a worktree there.
    #[error("{path} is no worktree that loopd made")]
    NotOurs {
        /// What it really is, symlinks resolved.
        path: String,
        /// What it is instead, or what to do.
        hint: String,
    },
    /// The run's table refuses it, in these words.
    #[error("removing {path} is refused: {why} (run {run})")]
    Refused {
        /// The worktree.
        path: String,
        /// Whose it is.
        run: RunId,
        /// The table's words.
        why: String,
        /// What can be done.
        hint: String,
    },
    /// It holds something that would be lost, or is not as loopd left it.
    #[error("{path} is kept: {why}")]
    Kept {
        /// The worktree.
        path: String,
        /// Whose it is.
        run: RunId,
        /// What would be lost, or what was found.
        why: String,
    },
    /// The daemon is ending, or the store could not do it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What is left of a run cannot be looked at.
    #[error("{}", .0.message)]
    Look(Trouble),
    /// A bug of ours.
    #[error("clean up: {0}")]
    Bug(String),
    /// The repository cannot be read.
    #[error("failed to {0}")]
    Git(#[from] GitError),
}

impl From<StoreError> for CleanError {
    fn from(error: StoreError) -> Self {
        CleanError::Ask(error.into())
    }
}
