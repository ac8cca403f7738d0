//! The store, on real SQLite files.

mod anything;
mod applying;
mod crashing;
mod creating;
mod guards;
mod handing_over;
mod handovers_kept;
mod looking;
mod migrating;
mod opening;
mod performing;
mod properties;
mod queueing;
mod replaying;
mod reports;
pub mod support;
mod telling;
