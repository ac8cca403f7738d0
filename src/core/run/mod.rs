//! The run: its facts, its rules, and the machine generated from `machines/run.toml`.

pub mod agent_result;
