//! The library behind `loopd` and `loopctl`: a map of the house, no logic.
//!
//! | room | what lives there | may import |
//! |---|---|---|
//! | [`core`] | the pure core: lifecycle rules, scheduler, plan, watchdog | nothing of ours |
//! | [`crash`] | deaths on demand, for tests of what survives one | nothing of ours |
//! | [`bounded`] | reading files of strangers, never more than is wanted | nothing of ours |
//! | [`config`] | layers of configuration, validated at the door | core |
//! | [`agent`] | drivers (how an agent is called) and stream parsers (what it said) | core, config |
//! | [`prompt`] | templates of what an agent is told | core, config |
//! | [`store`] | SQLite; `apply` is the only place that changes a run | core, crash |
//! | [`effect`] | git, processes, files of a run: an effect in, events out | core, crash, bounded, config, agent, prompt, store |
//! | [`daemon`] | the engine: one task that linearises everything | all of the above |
//! | [`api`] | HTTP: parse, ask the engine, answer | core, config, agent, store's reader, the engine's handle, effect's questions |
//! | [`cli`] | `loopctl`: arguments, client, rendering | core, bounded, config, the wire types |
//! | [`serve`] | `loopd` put together: where they all meet | all of the above |
//!
//! [`preview`] is where some of them meet for `loopctl prompt`. `core` knows nothing of any other room; no room reaches up.

pub mod agent;
pub mod api;
pub mod bounded;
pub mod cli;
pub mod config;
pub mod core;
pub mod crash;
pub mod daemon;
pub mod effect;
pub mod preview;
pub mod prompt;
pub mod serve;
pub mod store;

/// What a machine cannot try is said by unit tests, too, and in one way.
#[cfg(test)]
#[path = "../tests/support/untried.rs"]
mod untried;
