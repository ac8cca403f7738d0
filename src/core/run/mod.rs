//! The run: what is known of it ([`Facts`]), what decides for it ([`rules`]), and the machine that is generated from
//! `machines/run.toml` ([`step`]). Nothing in here performs anything: effects are names, performed by the shell.

pub mod agent_result;
mod data;
mod facts;
mod machine;
mod naming;
mod parts;
mod public;
pub mod rules;
mod spec;
mod telling;

pub use crate::core::plan::PlanReading;
pub use agent_result::{ResultClass, Usage};
pub use data::{
    AgentReport, CheckFailure, ChecksReport, Evidence, Left, Naming, PostmortemReport, Removal,
    RetiredBranch, ReviewReport, Trouble, TroubleKind, Verdict, Worktree,
};
pub use facts::Facts;
pub use machine::*;
pub use naming::name_in;
pub use parts::{
    Current, Failure, Hold, LiveStep, Mode, Notes, Postmortem, PostmortemEnd, Session, Stage,
    Totals, Wait, WaitWhy,
};
pub use public::PublicEvent;
pub use spec::{MergeStrategy, OnUsageLimit, RunId, Spec, StepId, Terms};
pub use telling::{briefing_events, public_events};
