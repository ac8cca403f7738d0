//! The keeper and its commands: real processes, no fakes. Moments are met by way of named pipes and pidfds.

mod adopting;
mod ending;
mod inheriting;
mod output;
mod running;
pub mod step;
