//! The one test binary: each module is the suite of one room.

mod cli;
mod schedule;
