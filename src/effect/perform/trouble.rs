//! Errors of the rooms below, as trouble that the machine can decide on: what kind it is, a stable word, and a sentence.

use std::io;

use crate::agent::AgentError;
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::git::{GitError, GitErrorKind};
use crate::effect::keeper::KeeperError;
use crate::prompt::PromptError;
use crate::store::StoreError;

/// The code of the one trouble that is none of the run's: the store has closed, because the daemon is ending. Nothing can
/// be reported any more, and nothing may be ended because of it: the next daemon takes up what is there.
pub(super) const DAEMON_ENDING: &str = "daemon_ending";

/// Trouble in one line.
pub(super) fn trouble(kind: TroubleKind, code: &str, message: impl Into<String>) -> Trouble {
    Trouble {
        kind,
        code: code.to_owned(),
        message: message.into(),
    }
}

/// For `map_err` on a file: what was tried.
pub(super) fn io_trouble(tried: impl Into<String>) -> impl FnOnce(io::Error) -> Trouble {
    let tried = tried.into();
    move |error| {
        trouble(
            io_kind(&error),
            io_code(&error),
            format!("failed to {tried}: {error}"),
        )
    }
}

fn io_kind(error: &io::Error) -> TroubleKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TroubleKind::NoSpace,
        io::ErrorKind::ReadOnlyFilesystem => TroubleKind::ReadOnly,
        _ => TroubleKind::Transient,
    }
}

fn io_code(error: &io::Error) -> &'static str {
    match io_kind(error) {
        TroubleKind::NoSpace => "disk_full",
        TroubleKind::ReadOnly => "read_only",
        TroubleKind::Transient | TroubleKind::NeedsPerson | TroubleKind::Permanent => "io",
    }
}

impl From<GitError> for Trouble {
    fn from(error: GitError) -> Self {
        let (kind, code) = match error.kind {
            GitErrorKind::Transient => (TroubleKind::Transient, "git_busy"),
            GitErrorKind::NoSpace => (TroubleKind::NoSpace, "disk_full"),
            GitErrorKind::ReadOnly => (TroubleKind::ReadOnly, "read_only"),
            GitErrorKind::Held => (TroubleKind::NeedsPerson, "worktree_held"),
            GitErrorKind::Denied => (TroubleKind::NeedsPerson, "permission_denied"),
            GitErrorKind::MissingRepo => (TroubleKind::Permanent, "workspace_missing"),
            GitErrorKind::Permanent => (TroubleKind::Permanent, "git_failed"),
        };
        trouble(kind, code, format!("failed to {error}"))
    }
}

impl From<KeeperError> for Trouble {
    fn from(error: KeeperError) -> Self {
        let kind = match &error {
            KeeperError::Job(_) => TroubleKind::Permanent,
            KeeperError::Os { source, .. } => io_kind(source),
            KeeperError::Absent(_) | KeeperError::Shape { .. } | KeeperError::NotUp { .. } => {
                TroubleKind::Transient
            }
        };
        trouble(kind, "keeper_failed", error.to_string())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let (kind, code) = match &error {
            StoreError::Gone => (TroubleKind::Transient, DAEMON_ENDING),
            StoreError::Full { .. } => (TroubleKind::NoSpace, "disk_full"),
            StoreError::Unwritable { .. } => (TroubleKind::ReadOnly, "unwritable"),
            StoreError::Open { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Damaged { .. }
            | StoreError::Lost { .. }
            | StoreError::Busy { .. }
            | StoreError::Sqlite { .. }
            | StoreError::Unreadable { .. }
            | StoreError::NoSuchRun(_)
            | StoreError::NoSuchStep(_) => (TroubleKind::Transient, "store"),
        };
        trouble(kind, code, error.to_string())
    }
}

impl From<AgentError> for Trouble {
    fn from(error: AgentError) -> Self {
        trouble(TroubleKind::Permanent, "agent_unusable", error.to_string())
    }
}

impl From<PromptError> for Trouble {
    fn from(error: PromptError) -> Self {
        trouble(TroubleKind::Permanent, "prompt_template", error.to_string())
    }
}
