//! What a client may ask. Every body denies unknown fields, so that a misspelt key is an error and never a silent
//! default; values that are wrong in themselves (a missing spec, a path outside the workspace) are the API's to refuse.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::once;

/// How a verified run branch reaches its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum MergeStrategy {
    /// Leave the branch for a person.
    None,
    /// A merge commit.
    Merge,
    /// One commit with everything.
    Squash,
}

/// Where the name of a run comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum NameSource {
    /// The file name of the spec.
    #[serde(alias = "SPEC_SLUG")]
    SpecSlug,
    /// A small model was asked.
    #[serde(alias = "HAIKU")]
    Haiku,
    /// The person who created the run said it.
    #[serde(alias = "USER")]
    #[value(skip)]
    User,
}

/// Body of `POST /runs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRun {
    /// The spec, inside the workspace; absolute, or relative to its root.
    pub spec_path: String,
    /// Absolute path of the git work tree.
    pub workspace_root: String,
    /// The plan; absent: `<plans_dir>/<spec stem>-plan.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_path: Option<String>,
    /// Keys of the configuration with the highest precedence, as in a config file.
    #[serde(
        default,
        deserialize_with = "once::object",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Object>)]
    pub config_override: Option<serde_json::Map<String, serde_json::Value>>,
    /// The name; absent: as `name_source` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Overrides `run_naming_mode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_source: Option<NameSource>,
    /// Branch to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// What the run branch's name begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_branch_prefix: Option<String>,
    /// Branch that receives the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_target_branch: Option<String>,
    /// How it receives the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_strategy: Option<MergeStrategy>,
    /// Where the worktree goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree_path_template: Option<String>,
    /// Name of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Higher goes first; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// A run (any reference to it) that has to complete before this one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Commit the present content of spec and plan as the run branch's first commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshot: bool,
}

/// Body of `POST /runs/{id}/resume`; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// The held evidence was seen and is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept: bool,
    /// Goes into the next prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Body of `POST /runs/{id}/retry`; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// Changes how the work reaches its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_strategy: Option<MergeStrategy>,
}

/// Body of the requests that take none (`{}` is accepted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBody {}
