//! Agents: how one is called, and what its stream of bytes means.
//!
//! | file | what it knows |
//! |---|---|
//! | `event` | one vocabulary for what agents say |
//! | `parser`, `lines`, `dialect/` | bytes to events: pure, bounded, one reader for each agent |
//! | `driver`, `preset`, `resolve`, `command` | from an agent's name to the command line of a call |
//! | `state` | where an agent keeps what it needs from call to call |
//! | `verdict` | what a review decided |
//! | `acp` | the bridge to the Agent Client Protocol |
//! | `scripted` | the built-in agent, which plays a script |
//! | `tally`, `judge`, `fault`, `reset`, `report` | what the events of a call come to |
//!
//! No process is started here, no clock is read, and nothing decides whether work is done: a result class says what the
//! agent reported, and git, the plan and the checks are the judges.

pub mod acp;
mod command;
mod dialect;
mod driver;
mod event;
mod fault;
mod hidden;
mod judge;
mod lines;
mod parser;
mod preset;
mod report;
mod reset;
mod resolve;
pub mod scripted;
mod state;
mod tally;
mod text;
pub mod verdict;
mod version;

pub use dialect::Dialect;
pub use driver::{ACP_SUBCOMMAND, AgentError, Call, CommandLine, Role, SCRIPTED_SUBCOMMAND, Stdin};
pub use event::{End, Event, Scope, render};
pub use fault::Fault;
pub use hidden::hidden_subcommand;
pub use lines::MAX_LINE_BYTES;
pub use parser::{MAX_MESSAGE_BYTES, Parser};
pub use preset::DriverKind;
pub use report::{Exit, Report};
pub use reset::{Clock, Reset};
pub use resolve::{AgentSpec, resolve};
pub use state::StatePlaces;
pub use version::version_in;

pub use crate::core::run::agent_result::{ResultClass, Usage};
