//! The one test binary: each module is the suite of one room.

mod config;
mod plan;
mod schedule;
