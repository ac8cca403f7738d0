//! The shapes between the name of an agent and the command line of a call: what a call is about, what comes out, and why
//! it cannot be.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The hidden subcommand of our own binaries that is the built-in agent.
pub const SCRIPTED_SUBCOMMAND: &str = "__scripted";
/// The hidden subcommand of our own binaries that is the bridge to the Agent Client Protocol.
pub const ACP_SUBCOMMAND: &str = "__acp";

/// Why an agent cannot be called.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// No such agent.
    #[error("agent `{name}` is not known; known are {known}; or define it in [agents.{name}]")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// All names that would do.
        known: String,
    },
    /// A definition names a driver that does not exist.
    #[error("[agents.{name}]: driver `{driver}` is not known; known are {known}")]
    UnknownDriver {
        /// The agent.
        name: String,
        /// Its driver.
        driver: String,
        /// All drivers.
        known: String,
    },
    /// The driver needs a command.
    #[error("[agents.{name}]: driver `{driver}` needs `command`, the program to start")]
    NoCommand {
        /// The agent.
        name: String,
        /// Its driver.
        driver: &'static str,
    },
    /// Arguments within the command.
    #[error(
        "[agents.{name}]: `command` is one program, but it says `{command}`; put its arguments in `args`"
    )]
    CommandWithArguments {
        /// The agent.
        name: String,
        /// Its command.
        command: String,
    },
    /// More than a script.
    #[error("[agents.{name}]: driver `scripted` takes one argument, the script's path")]
    ScriptArguments {
        /// The agent.
        name: String,
    },
    /// A placeholder without a value.
    #[error("[agents.{name}]: its args use {placeholder}, but this call has none; {hint}")]
    NoValue {
        /// The agent.
        name: String,
        /// The placeholder, with its braces.
        placeholder: &'static str,
        /// What to do.
        hint: &'static str,
    },
}

/// What the agent is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To do a task.
    Implement,
    /// To judge a commit.
    Review,
    /// To explain an ended run.
    Postmortem,
}

impl Role {
    /// Whether it has nothing to change.
    pub fn only_reads(self) -> bool {
        match self {
            Role::Implement => false,
            Role::Review | Role::Postmortem => true,
        }
    }

    /// The name used in arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Implement => "implement",
            Role::Review => "review",
            Role::Postmortem => "postmortem",
        }
    }
}

/// One call, as far as it differs from others of the same agent.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is called for.
    pub role: Role,
    /// The model that is asked for; the agent's own default without one.
    pub model: Option<String>,
    /// The prompt.
    pub prompt_file: PathBuf,
    /// The plan, as seen from the worktree.
    pub plan: PathBuf,
    /// The iteration, from 1.
    pub iteration: u32,
    /// The session to go on with.
    pub resume: Option<String>,
    /// The id (UUID) of a new session, for commands whose `args` take `{session}`; not used when resuming.
    pub new_session: Option<String>,
    /// Where the schema of a verdict stands, for agents that are held to it; of a review only.
    pub verdict_schema_file: Option<PathBuf>,
    /// A directory that outlives the call and belongs to the run.
    pub state_dir: PathBuf,
    /// Our own binary, for the built-in agent and the bridge.
    pub self_exe: PathBuf,
    /// Whether the agent will run as root.
    pub root: bool,
    /// A limit of turns, for agents that know one.
    pub max_turns: Option<u32>,
    /// A limit of cost in US dollars, for agents that know one.
    pub max_cost_usd: Option<f64>,
}

/// Where the agent's standard input comes from. Never an open pipe: several agents wait for its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// Nothing.
    Null,
    /// A file.
    File(PathBuf),
}

/// A command line, ready to be started in the worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program: a path, or a name to be found in PATH.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables to set.
    pub env: Vec<(String, String)>,
    /// Variables of our own environment to pass on: names or globs.
    pub pass: Vec<String>,
    /// Its standard input.
    pub stdin: Stdin,
}
