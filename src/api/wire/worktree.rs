//! Worktrees that loopd made, and what becomes of them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A worktree of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorktreeEntry {
    /// Absolute path.
    pub path: String,
    /// The run that it was made for.
    pub run_id: Uuid,
    /// The run's name.
    pub run_name: String,
    /// The machine's word for where the run is.
    pub state: String,
    /// Absolute path of the workspace.
    pub workspace_root: String,
    /// The branch that it was made for.
    pub run_branch: String,
    /// The run works in it, or would when it is started anew; `false`: a reset has left it behind.
    pub present: bool,
    /// Its directory is there.
    pub on_disk: bool,
    /// It could be removed now, with proof that nothing is lost.
    pub removable: bool,
    /// Why it could not; `null` when it could.
    pub why_kept: Option<String>,
}

/// A worktree that carries loopd's mark in git, and that no run of this daemon has recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrayWorktree {
    /// Absolute path.
    pub path: String,
    /// The run that its mark names.
    pub run_id: String,
    /// Whether this daemon knows that run; `worktree-rm` can only remove it if so.
    pub run_known: bool,
    /// The branch that it is on; `null`: none.
    pub branch: Option<String>,
    /// Its directory is there.
    pub on_disk: bool,
}

/// Reply of `GET /worktrees`, by path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorktreeList {
    /// Those that runs know of and that are not known to be gone.
    pub worktrees: Vec<WorktreeEntry>,
    /// Those that only git knows of.
    pub strays: Vec<StrayWorktree>,
    /// Repositories that could not be looked at, and why.
    pub problems: Vec<String>,
}

/// Query of `DELETE /worktrees`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WorktreeQuery {
    /// Absolute path of a worktree; symlinks and `..` are resolved.
    pub path: String,
}

/// Reply of `DELETE /worktrees`: it is gone, now or already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedWorktree {
    /// The path as it was recorded.
    pub path: String,
    /// The run that it was made for.
    pub run_id: Uuid,
    /// Where commits are kept that no branch has, if there were any.
    pub note: String,
}
