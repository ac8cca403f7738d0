//! The script: its shape, and which turn a call plays. How steps are played is not known here.

use std::path::PathBuf;

use serde::Deserialize;

use super::args::Args;
use super::state::Played;
use crate::agent::driver::Role;
use crate::agent::event::End;

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What follows the last turn.
    #[serde(default)]
    pub then: Then,
    /// The turns.
    #[serde(default, rename = "turn")]
    pub turns: Vec<Turn>,
}

/// What follows the last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The last turn again.
    #[default]
    Repeat,
    /// What is done without a script.
    Default,
}

/// What one call does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The calls that play it; `implement` when it is not said.
    #[serde(default = "implement")]
    pub role: Role,
    /// Makes it a turn out of order.
    #[serde(default)]
    pub when: Option<When>,
    /// How often a turn out of order is played at most; 1 when it is not said.
    #[serde(default = "once")]
    pub times: u32,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

fn implement() -> Role {
    Role::Implement
}

fn once() -> u32 {
    1
}

/// When a turn out of order is played: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// In this iteration.
    #[serde(default)]
    pub iteration: Option<u32>,
    /// When the prompt contains this.
    #[serde(default)]
    pub prompt_contains: Option<String>,
    /// When the call goes on with an earlier session, or when it does not.
    #[serde(default)]
    pub resumed: Option<bool>,
}

/// One thing that the agent does. Paths are as seen from the worktree.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Says a message.
    Say(String),
    /// Says that all is complete.
    Complete,
    /// Ends a review with a verdict.
    Verdict {
        /// Approves or rejects.
        approved: bool,
        /// What is wrong.
        #[serde(default)]
        findings: String,
    },
    /// Writes a file, and the directories above it.
    Write {
        /// The file.
        path: PathBuf,
        /// All it then contains.
        text: String,
    },
    /// Adds to the end of a file.
    Append {
        /// The file.
        path: PathBuf,
        /// What is added.
        text: String,
    },
    /// Replaces the first occurrence of a text, which must be there.
    Edit {
        /// The file.
        path: PathBuf,
        /// What is replaced.
        find: String,
        /// By what.
        replace: String,
    },
    /// Deletes a file.
    Delete(PathBuf),
    /// Ticks a task of the plan: the `next` pending one, or the first pending one that contains the text.
    Tick(String),
    /// Commits everything.
    Commit(String),
    /// Runs git with these arguments.
    Git(Vec<String>),
    /// Runs a command by `/bin/sh -c`.
    Sh(String),
    /// Reports tokens.
    Usage {
        /// Sent.
        input_tokens: u64,
        /// Written.
        output_tokens: u64,
        /// In US dollars.
        #[serde(default)]
        cost_usd: Option<f64>,
    },
    /// Prints a line as it is on standard output.
    Raw(String),
    /// Prints a line on standard error.
    Stderr(String),
    /// Waits.
    SleepMs(u64),
    /// Ends the turn as it says; without it, a turn ends in good order after its last step.
    End(End),
    /// Is out of quota.
    Limit {
        /// When it is over; unknown without it.
        #[serde(default)]
        resets_in_sec: Option<u64>,
    },
    /// Has no valid credentials.
    Auth,
    /// Does not know the session that it was to go on with, where it was to.
    NoSession,
    /// Ends at once with this exit status, and without a result.
    Exit(i32),
    /// Ends at once by this signal, and without a result.
    Signal(i32),
    /// Does nothing more, and does not end.
    Hang,
    /// Prints so many bytes, in lines.
    Flood(u64),
    /// Prints so many bytes, in one line.
    EndlessLine(u64),
    /// Says that the task is done and that all is complete, having done nothing.
    Lie,
    /// Starts a process that outlives the agent, in a session of its own.
    Orphan {
        /// How long it lives.
        sec: u32,
        /// Where its process id is written.
        #[serde(default)]
        pid_file: Option<PathBuf>,
        /// Whether it keeps the agent's output open.
        #[serde(default)]
        holds_output: bool,
        /// Whether it starts with an empty environment.
        #[serde(default)]
        clean_env: bool,
    },
    /// Ignores the request to end from now on.
    IgnoreTerm,
    /// Closes standard output and goes on.
    CloseStdout,
    /// Writes a file in the primary checkout instead of the worktree.
    EditMain {
        /// The file, as seen from the primary checkout.
        path: PathBuf,
        /// All it then contains.
        text: String,
    },
    /// Removes the last pending task from the plan.
    TamperPlan,
    /// Empties every tracked file below this directory.
    TamperTests(PathBuf),
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("script {}: {what}", path.display())]
pub struct ScriptError {
    path: PathBuf,
    what: String,
}

impl Script {
    /// Reads and checks a script.
    pub fn load(path: &std::path::Path) -> Result<Script, ScriptError> {
        let wrong = |what: String| ScriptError {
            path: path.to_owned(),
            what,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim().to_owned()))
    }

    /// The turn of this call, which is then counted as played; `None` for what is done without a script.
    pub(super) fn choose(&self, args: &Args, prompt: &str, played: &mut Played) -> Option<&Turn> {
        let role = args.role;
        let mine = || {
            self.turns
                .iter()
                .enumerate()
                .filter(|(_, turn)| turn.role == role)
        };
        let out_of_order = mine().find(|(index, turn)| {
            let holds = turn
                .when
                .as_ref()
                .is_some_and(|when| when.holds(args, prompt));
            holds && played.times(*index) < turn.times
        });
        if let Some((index, turn)) = out_of_order {
            played.count(index);
            return Some(turn);
        }
        let in_order: Vec<&Turn> = mine()
            .map(|(_, turn)| turn)
            .filter(|turn| turn.when.is_none())
            .collect();
        let place = played.next(role);
        match (in_order.get(place), self.then) {
            (Some(turn), _) => Some(turn),
            (None, Then::Repeat) => in_order.last().copied(),
            (None, Then::Default) => None,
        }
    }
}

impl When {
    fn holds(&self, args: &Args, prompt: &str) -> bool {
        self.iteration.is_none_or(|wanted| wanted == args.iteration)
            && self
                .resumed
                .is_none_or(|wanted| wanted == args.resume.is_some())
            && self
                .prompt_contains
                .as_ref()
                .is_none_or(|part| prompt.contains(part))
    }
}
