//! The handover of an ended run: what a person does with its work. Its facts, the rules of `machines/handover.toml`, and
//! what the world is told. How a run comes to its end, and how anything here is performed, is not known here.

mod facts;
mod machine;
mod public;
mod rules;

pub use facts::{Facts, RunEnd, Snag, SnagKind};
pub use machine::*;
pub use public::public_events;
