//! The store, on real SQLite files.

mod applying;
mod crashing;
mod creating;
mod guards;
mod handing_over;
mod looking;
mod migrating;
mod opening;
mod performing;
mod properties;
mod queueing;
mod replaying;
pub mod support;
mod telling;
