//! Agents: how one is called, and what its stream of bytes means.
//!
//! | file | what it knows |
//! |---|---|
//! | `event` | one vocabulary for what agents say |
//! | `parser`, `lines`, `dialect/` | bytes to events: pure, bounded, one reader for each agent |
//! | `driver`, `preset` | from an agent's name to the command line of a call |
//! | `verdict` | what a review decided |
//! | `scripted` | the built-in agent, which plays a script |
//! | `tally`, `fault`, `reset`, `report` | what the events of a call come to |
//!
//! No process is started here, no clock is read, and nothing decides whether work is done: a result class says what the
//! agent reported, and git, the plan and the checks are the judges.

mod dialect;
mod driver;
mod event;
mod fault;
mod hidden;
mod lines;
mod parser;
mod preset;
mod report;
mod reset;
pub mod scripted;
mod tally;
mod text;
pub mod verdict;

pub use dialect::Dialect;
pub use driver::{
    ACP_SUBCOMMAND, AgentError, AgentSpec, Call, CommandLine, Role, SCRIPTED_SUBCOMMAND, Stdin,
    resolve,
};
pub use event::{End, Event, Scope, render};
pub use fault::Fault;
pub use hidden::hidden_subcommand;
pub use lines::MAX_LINE_BYTES;
pub use parser::{MAX_MESSAGE_BYTES, Parser};
pub use preset::DriverKind;
pub use report::{Exit, Report};
pub use reset::{Clock, Reset};

pub use crate::core::run::agent_result::{ResultClass, Usage};
