//! The plan: a Markdown checklist, what counts as a task in it, which task is next, and when the work is said to be
//! complete. Everything works on text that somebody else has read (at the base commit, at HEAD) and will write.
//!
//! | mark | meaning | counts as |
//! |---|---|---|
//! | `[ ]` | pending | pending |
//! | `[~]` | blocked | pending |
//! | `[x]`, `[X]` | implemented, says the agent | done |
//! | `[R]` | reviewed: by the base plan, or by loopd | done |
//! | `[ ]?` | a person's check | nothing |
//!
//! Not here: reading files, committing, and the decision that a run is complete (evidence decides that).

mod blocks;
mod boxes;
mod checklist;
mod completion;
mod edit;
mod heading;
mod mark;
mod reader;
mod selection;
mod tampering;

pub use checklist::{Checklist, Item, PlanReading, Section};
pub use completion::{CompletionMode, TOKEN, claims};
pub use edit::{Edited, approve, disown, reopen, set_mark, ticked};
pub use mark::{Mark, Skip};
pub use selection::{Next, next};
pub use tampering::{Lost, Tampering, tampering};
