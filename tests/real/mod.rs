//! Real coding agents do whole runs: their own binaries, command lines and streams, under real keepers, with only the
//! model played. What the recorded streams of `agent` cannot show is here: that the command lines are still right.
//! Agents that are not installed are not tried, and said to be so; see `support/agents`.

mod sessions;
mod troubles;
mod whole_runs;

/// A plan of two tasks.
const TWO_TASKS: &str = "# Plan\n\n- [ ] first thing\n- [ ] second thing\n";
