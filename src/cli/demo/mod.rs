//! The demo: the whole product in half a minute, with nothing but git. A private daemon, a scratch repository, the
//! scripted agent, and every transition as it happens. Leaves nothing behind unless asked to.

pub mod private;
pub mod repository;

/// What the scripted agent plays.
pub const SCRIPT: &str = include_str!("script.toml");
