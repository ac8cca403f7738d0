//! The pure core: no clock, no I/O, no async runtime, no randomness. `std`, `serde` and `thiserror` only;
//! a test of the suite reads the imports and fails otherwise. Everything here is a function of its arguments.

pub mod handover;
pub mod machine;
pub mod plan;
pub mod run;
pub mod schedule;
pub mod skills;
pub mod step;
pub mod time;
pub mod watchdog;
pub mod words;
