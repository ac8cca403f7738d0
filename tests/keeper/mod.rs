//! The keeper and its commands: real processes, no fakes. Moments are met by way of named pipes and pidfds.

mod above;
mod adopting;
mod ending;
mod inheriting;
mod jumping;
pub mod out_of_reach;
mod output;
mod running;
pub mod step;
