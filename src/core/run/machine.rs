//! The machine of the run, generated from `machines/run.toml` by `machines/build.rs`; only the imports stand here.

use super::agent_result::Usage;
use super::data::{
    AgentReport, ChecksReport, Evidence, Left, Naming, PostmortemReport, Removal, RetiredBranch,
    ReviewReport, Trouble, Worktree,
};
use super::spec::MergeStrategy;

include!(concat!(env!("OUT_DIR"), "/run.rs"));
