//! What several suites share: a scratch repository, and a daemon in this process over a real store, real git and real
//! keepers. Only the model behind the agent is missing: the scripted agent plays instead.

mod house;
mod repository;

pub use house::{House, Options};
pub use repository::Repository;
