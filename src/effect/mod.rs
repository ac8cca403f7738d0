//! Effects: the only room that touches git, processes and the files of a run.

pub mod git;
mod hidden;
pub mod keeper;
pub mod proc;

pub use hidden::hidden;
