//! The clean-up of what ended runs have left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Body of `POST /gc`; may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GcRequest {
    /// Only tell what would go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What went of a run, or would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcRun {
    /// The run.
    pub run_id: Uuid,
    /// Its name.
    pub run_name: String,
    /// The machine's word for how it ended.
    pub state: String,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Paths of worktrees.
    pub worktrees: Vec<String>,
    /// Branches.
    pub branches: Vec<GcBranch>,
    /// The directory of its files.
    pub files: bool,
    /// What stays, and why.
    pub kept: Vec<String>,
}

/// A branch that went, or would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcBranch {
    /// Its name.
    pub name: String,
    /// The ref that was made to keep its commits; `null` where the target has them, or another ref keeps them already.
    pub rescue: Option<String>,
}

/// Reply of `POST /gc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcReply {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Days for which ended runs are kept; 0: for ever.
    pub retention_days: u32,
    /// The runs of which something went, would go, or has to stay; the longest ended first.
    pub runs: Vec<GcRun>,
    /// Runs that could not be looked at, and why.
    pub problems: Vec<String>,
}
