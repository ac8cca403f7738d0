//! The daemon: one engine task that owns the truth, and what surrounds it.
//!
//! | file | what it knows |
//! |---|---|
//! | `engine` | the one task: requests, reports, deadlines, one after the other |
//! | `applying` | the only ways from it into the tables: one event for a run, one for its handover |
//! | `reports`, `unstored` | what was performed, until the store has it; what cannot be written down meanwhile |
//! | `due` | timers that fire, and runs that the scheduler starts |
//! | `draining` | how it ends, and the steps with it or not |
//! | `handle` | how everybody else speaks with it |
//! | `job`, `lanes`, `performers` | effects: in order and one at a time for a run, each in a task of its own |
//! | `create`, `preview` | a new run checked at the door; the prompt that it would begin with |
//! | `clean` | what runs leave behind: shown, and removed with proof |
//! | `planning` | what the scheduler is asked with |
//! | `notifier` | tells a person, by a command, of events that need one |
//! | `lock`, `clock`, `metrics`, `log_lines` | the data directory's lock, the wall clock, counters, the log as lines |

mod applying;
mod clean;
mod clock;
mod create;
mod draining;
mod due;
mod engine;
mod handle;
mod job;
mod lanes;
mod lock;
mod log_lines;
mod metrics;
mod notifier;
mod performers;
mod planning;
mod preview;
mod reports;
mod unstored;

pub use clean::{CleanError, Cleaner, Collected, Collection, Listing, Removed, Shown, Stray};
pub use clock::now;
pub use create::{CreateError, CreatedRun, Creator, Request};
pub use engine::Engine;
pub use handle::{AskError, Gone, Handle};
pub use lock::{DataDirLock, LockError};
pub use log_lines::LogLines;
pub use metrics::Metrics;
pub use notifier::{Notifier, Notify};
pub use planning::Planner;
pub use preview::{Preview, preview};
pub use unstored::Unstored;
