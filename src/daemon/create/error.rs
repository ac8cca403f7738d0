//! Why a run is not created: every refusal at the door, with a stable word, what is wrong, and what to do.

use std::path::Path;

use crate::config::ConfigErrors;
use crate::core::run::{RunId, Trouble};
use crate::effect::git::GitError;
use crate::store::StoreError;

/// Why a run was not created. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request is wrong; says what, and what to do.
    #[error("{message}")]
    Invalid {
        /// A stable word.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request, which made run {0}")]
    KeyTaken(RunId),
    /// The repository cannot be read.
    #[error("failed to {0}")]
    Git(#[from] GitError),
    /// A run would be created, and come to this trouble before its agent starts.
    #[error("{}", .0.message)]
    Unusable(Trouble),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon is ending.
    #[error("the daemon is shutting down")]
    Gone,
    /// Something else failed.
    #[error("failed to {tried}: {source}")]
    Io {
        /// What was tried.
        tried: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A path that leads out of the workspace.
pub(super) fn outside(what: &'static str, given: &str, root: &Path) -> CreateError {
    invalid(
        "path_outside_workspace",
        format!(
            "the {what} `{given}` is not inside the workspace {}",
            root.display()
        ),
        "give a path inside the workspace",
    )
}

/// A wrong request.
pub(super) fn invalid(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> CreateError {
    CreateError::Invalid {
        code,
        message: message.into(),
        hint: Some(hint.into()),
    }
}
