//! Real coding agents, driven to a model on loopback that plays a script: no account, no network, no cost. The agents are
//! looked for below `LOOPD_TEST_AGENTS`, where `install.sh` puts them; one that is not there is not tried, and that is
//! said out loud. What loopd makes of an agent is not known here.

mod chat;
mod gemini;
mod messages;
mod model;
mod play;
mod responses;
mod settings;

use std::path::{Path, PathBuf};

pub use model::Model;
pub use play::{Answer, Asked, COMPLETE, Mood, Refusal, approve};
pub use settings::{
    KEY, aider, claude, claude_acp, claude_subscribed, codex, gemini, opencode, pi, qwen,
};

use super::{Repository, not_tried};

/// The directory that `install.sh` was given.
const PREFIX: &str = "LOOPD_TEST_AGENTS";

/// The program of an agent, where it is installed. Otherwise a line says that it is not tried, and why.
pub fn find(agent: &str) -> Option<PathBuf> {
    let why = match std::env::var_os(PREFIX) {
        None => {
            format!("{PREFIX} is not set: tests/support/agents/install.sh fills a directory for it")
        }
        Some(prefix) => {
            let program = Path::new(&prefix).join("bin").join(agent);
            if program.exists() {
                return Some(program);
            }
            format!("there is no {}", program.display())
        }
    };
    not_tried(agent, &why);
    None
}

/// A program that starts `program` with the same arguments, but with `words` in the place of `argument`: what a user
/// does to whom a preset allows too much.
pub fn instead_of(repo: &Repository, program: &Path, argument: &str, words: &str) -> PathBuf {
    let script = format!(
        "#!/bin/sh\nfor a do\n  shift\n  if [ \"$a\" = '{argument}' ]; then set -- \"$@\" {words}; \
         else set -- \"$@\" \"$a\"; fi\ndone\nexec '{}' \"$@\"\n",
        program.display()
    );
    repo.program("instead", &script)
}
