//! The one test binary: each module is the suite of one room.

mod agent;
mod api;
mod cli;
mod codegen;
mod config;
mod design;
mod docs;
mod fuzz;
mod git;
mod keeper;
mod keys;
mod pipeline;
mod plan;
mod prompt;
mod purity;
mod real;
mod sandbox;
mod schedule;
mod skills;
mod store;
mod support;
mod sweep;
mod untried;
mod watchdog;

// The generated door names its shared types as ours do: by `crate::core`.
use agent_loop::core;
