//! From the name of an agent to the command line of a call. Nothing is started and nothing is looked up on disk here:
//! whether a command exists is seen when it is started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::preset::{DriverKind, PRESETS, Part, Preset};
use crate::config::AgentDefinition;

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
}

impl Role {
    /// The name used in arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Implement => "implement",
            Role::Review => "review",
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
    /// The id (UUID) for a new session, for agents that take one; not used when resuming.
    pub new_session: Option<String>,
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

/// An agent that can be called.
#[derive(Clone, Debug)]
pub struct AgentSpec {
    name: String,
    preset: &'static Preset,
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// The agent called `name`: a definition of the user's, or a known one. A definition of a known name changes that one;
/// any other without a driver is a command (`exec`).
pub fn resolve(
    name: &str,
    definitions: &BTreeMap<String, AgentDefinition>,
) -> Result<AgentSpec, AgentError> {
    let defined = definitions.get(name);
    let known = find(name);
    if defined.is_none() && known.is_none_or(needs_definition) {
        return Err(AgentError::Unknown {
            name: name.to_owned(),
            known: known_names(definitions),
        });
    }
    let definition = defined.cloned().unwrap_or_default();
    let preset = match &definition.driver {
        Some(driver) => find(driver).ok_or_else(|| AgentError::UnknownDriver {
            name: name.to_owned(),
            driver: driver.clone(),
            known: names(PRESETS.iter().map(|preset| preset.name)),
        })?,
        None => known.or_else(|| find("exec")).unwrap_or(&PRESETS[0]),
    };
    let command = definition
        .command
        .unwrap_or_else(|| preset.command.to_owned());
    if command.is_empty() && needs_definition(preset) {
        return Err(AgentError::NoCommand {
            name: name.to_owned(),
            driver: preset.name,
        });
    }
    if command.contains(char::is_whitespace) && !command.contains('/') {
        return Err(AgentError::CommandWithArguments {
            name: name.to_owned(),
            command,
        });
    }
    if preset.driver == DriverKind::Scripted && definition.args.len() > 1 {
        return Err(AgentError::ScriptArguments {
            name: name.to_owned(),
        });
    }
    Ok(AgentSpec {
        name: name.to_owned(),
        preset,
        command,
        args: definition.args,
        env: definition.env,
    })
}

fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// `exec` and `acp` are ways to call something, not something to call.
fn needs_definition(preset: &Preset) -> bool {
    match preset.driver {
        DriverKind::Exec | DriverKind::Acp => true,
        DriverKind::Known | DriverKind::Scripted => false,
    }
}

fn known_names(definitions: &BTreeMap<String, AgentDefinition>) -> String {
    let builtin = PRESETS
        .iter()
        .filter(|preset| !needs_definition(preset))
        .map(|preset| preset.name);
    let mut all: Vec<&str> = builtin
        .chain(definitions.keys().map(String::as_str))
        .collect();
    all.sort_unstable();
    all.dedup();
    names(all.into_iter())
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

impl AgentSpec {
    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is called.
    pub fn driver(&self) -> DriverKind {
        self.preset.driver
    }

    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        self.preset.dialect
    }

    /// Whether a later call can go on with a session of an earlier one.
    pub fn can_resume(&self) -> bool {
        match self.preset.driver {
            DriverKind::Known => self
                .preset
                .parts
                .iter()
                .any(|part| matches!(part, Part::Resume(_))),
            DriverKind::Exec => self.args.iter().any(|arg| arg.contains("{session}")),
            DriverKind::Acp => true,
            DriverKind::Scripted => false,
        }
    }

    /// The command line of one call.
    pub fn command(&self, call: &Call) -> Result<CommandLine, AgentError> {
        let (program, args, reads_stdin) = match self.preset.driver {
            DriverKind::Known | DriverKind::Exec => {
                let args = self.filled(call)?;
                let named = self
                    .templates(call)
                    .any(|arg| arg.contains("{prompt_file}"));
                (OsString::from(&self.command), args, !named)
            }
            DriverKind::Acp => (call.self_exe.clone().into(), self.bridge(call)?, false),
            DriverKind::Scripted => (call.self_exe.clone().into(), self.script(call), false),
        };
        let mut env: BTreeMap<String, String> = self
            .preset
            .env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        // Claude refuses to skip permissions as root unless it is told that it is contained.
        if call.root && self.preset.dialect == Dialect::Claude {
            env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
        }
        env.extend(self.env.clone());
        Ok(CommandLine {
            program,
            args,
            env: env.into_iter().collect(),
            pass: self
                .preset
                .pass
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            stdin: if reads_stdin {
                Stdin::File(call.prompt_file.clone())
            } else {
                Stdin::Null
            },
        })
    }

    /// The arguments that this call has, before their placeholders are filled.
    fn templates<'a>(&'a self, call: &'a Call) -> impl Iterator<Item = &'a str> {
        self.preset.parts.iter().flat_map(move |part| {
            let (wanted, fixed) = match part {
                Part::Fixed(args) => (true, *args),
                Part::Model(args) => (call.model.is_some(), *args),
                Part::Resume(args) => (call.resume.is_some(), *args),
                Part::NewSession(args) => {
                    (call.resume.is_none() && call.new_session.is_some(), *args)
                }
                Part::MaxTurns(args) => (call.max_turns.is_some(), *args),
                Part::MaxCost(args) => (call.max_cost_usd.is_some(), *args),
                Part::Review(args) => (call.role == Role::Review, *args),
                Part::Own => (false, &[][..]),
            };
            let own: &[String] = match part {
                Part::Own => &self.args,
                Part::Fixed(_)
                | Part::Model(_)
                | Part::Resume(_)
                | Part::NewSession(_)
                | Part::MaxTurns(_)
                | Part::MaxCost(_)
                | Part::Review(_) => &[],
            };
            let fixed = if wanted { fixed } else { &[] };
            fixed.iter().copied().chain(own.iter().map(String::as_str))
        })
    }

    fn filled(&self, call: &Call) -> Result<Vec<OsString>, AgentError> {
        self.templates(call)
            .map(|arg| self.fill(arg, call))
            .collect()
    }

    /// `arg` with its placeholders replaced. Other braces stay as they are.
    fn fill(&self, arg: &str, call: &Call) -> Result<OsString, AgentError> {
        let session = call.resume.as_ref().or(call.new_session.as_ref());
        let values: [(&'static str, Option<OsString>, &'static str); 7] = [
            ("{prompt_file}", Some(call.prompt_file.clone().into()), ""),
            ("{plan}", Some(call.plan.clone().into()), ""),
            ("{role}", Some(call.role.as_str().into()), ""),
            (
                "{model}",
                call.model.as_ref().map(OsString::from),
                "set `model`",
            ),
            (
                "{session}",
                session.map(OsString::from),
                "only a resumed call has one",
            ),
            (
                "{max_turns}",
                call.max_turns.map(|turns| turns.to_string().into()),
                "no limit of turns is set",
            ),
            (
                "{max_cost}",
                call.max_cost_usd.map(|cost| format!("{cost:.2}").into()),
                "set `max_cost_usd`",
            ),
        ];
        let mut filled = OsString::new();
        let mut rest = arg;
        while let Some(at) = rest.find('{') {
            let (before, here) = rest.split_at(at);
            filled.push(before);
            let known = values.iter().find(|(name, ..)| here.starts_with(name));
            let used = match known {
                Some((name, Some(value), _)) => {
                    filled.push(value);
                    name.len()
                }
                Some((placeholder, None, hint)) => {
                    return Err(AgentError::NoValue {
                        name: self.name.clone(),
                        placeholder,
                        hint,
                    });
                }
                None => {
                    filled.push("{");
                    1
                }
            };
            rest = here.get(used..).unwrap_or_default();
        }
        filled.push(rest);
        Ok(filled)
    }

    fn bridge(&self, call: &Call) -> Result<Vec<OsString>, AgentError> {
        let mut args: Vec<OsString> = vec![
            ACP_SUBCOMMAND.into(),
            "--prompt-file".into(),
            call.prompt_file.clone().into(),
        ];
        if let Some(session) = &call.resume {
            args.extend(["--resume".into(), session.into()]);
        }
        if let Some(model) = &call.model {
            args.extend(["--model".into(), model.into()]);
        }
        args.extend(["--".into(), OsString::from(&self.command)]);
        args.extend(self.filled(call)?);
        Ok(args)
    }

    fn script(&self, call: &Call) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            SCRIPTED_SUBCOMMAND.into(),
            "--role".into(),
            call.role.as_str().into(),
            "--prompt-file".into(),
            call.prompt_file.clone().into(),
            "--plan".into(),
            call.plan.clone().into(),
            "--iteration".into(),
            call.iteration.to_string().into(),
            "--state-dir".into(),
            call.state_dir.clone().into(),
        ];
        if let Some(script) = self.args.first() {
            args.extend(["--script".into(), script.into()]);
        }
        args
    }
}
