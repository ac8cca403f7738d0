//! From the name of an agent to an agent that can be called. Nothing is looked up on disk: whether a command exists is
//! seen when it is started.

use std::collections::BTreeMap;

use super::dialect::Dialect;
use super::driver::AgentError;
use super::preset::{DriverKind, PRESETS, Part, Preset};
use crate::config::AgentDefinition;

/// An agent that can be called.
#[derive(Clone, Debug)]
pub struct AgentSpec {
    pub(super) name: String,
    pub(super) preset: &'static Preset,
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
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

    /// The program that has to be there for it: a path, or a name to be found in `PATH`; the built-in agent needs none.
    pub fn program(&self) -> Option<&str> {
        match self.preset.driver {
            DriverKind::Known | DriverKind::Exec | DriverKind::Acp => Some(&self.command),
            DriverKind::Scripted => None,
        }
    }

    /// The `PATH` that its definition gives it.
    pub fn path(&self) -> Option<&str> {
        self.env.get("PATH").map(String::as_str)
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
            DriverKind::Exec => self.is_named_sessions(),
            DriverKind::Acp | DriverKind::Scripted => true,
        }
    }

    /// Whether it gives the verdict of a review by schema.
    pub fn gives_verdict_by_schema(&self) -> bool {
        let parts = self.preset.parts.iter();
        parts
            .into_iter()
            .any(|part| matches!(part, Part::Verdict(_)))
    }

    /// Whether it can be asked for a few words with all its tools taken away.
    pub fn can_answer(&self) -> bool {
        !self.preset.question.is_empty()
    }

    /// Whether a new session has the name that loopd gives it, which nobody tells afterwards: a command that takes it in
    /// its arguments.
    pub fn is_named_sessions(&self) -> bool {
        self.preset.driver == DriverKind::Exec
            && self.args.iter().any(|arg| arg.contains("{session}"))
    }
}
