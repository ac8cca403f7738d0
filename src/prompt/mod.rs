//! What an agent is told: templates over the facts of a run.
//!
//! Each prompt has a built-in template and may be replaced by a workspace's own, whose text the caller reads (at the
//! run's base commit) and hands in. Rendering is a pure function. Not here: which prompt is due, what the facts are, and
//! what becomes of the agent's answer.

mod error;
mod facts;
mod kind;
mod names;
mod naming;
mod render;
mod text;

pub use error::PromptError;
pub use facts::{PromptFacts, SkillFacts, TaskFacts};
pub use kind::PromptKind;
pub use naming::naming;
pub use render::{Overrides, check, render};
