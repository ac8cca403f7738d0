//! The one test binary: each module is the suite of one room.

mod agent;
mod config;
mod plan;
mod schedule;
