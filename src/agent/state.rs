//! Where agents keep what they need from one call to the next: sessions, credentials, settings. Of the known agents only;
//! a sandboxed step can write there, and in no other place of the home directory but caches.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::preset::{DriverKind, PRESETS, Preset};
use super::resolve::AgentSpec;

/// Places of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatePlaces {
    /// Directories that the agent makes itself when they are missing.
    pub made: Vec<PathBuf>,
    /// Files and directories that need not be there.
    pub other: Vec<PathBuf>,
}

impl AgentSpec {
    /// Where this agent keeps its state, going by the environment that it gets. A command of the user's may call any of
    /// the known agents: it gets what is there of all of them.
    pub fn state_places(&self, env: &[(OsString, OsString)]) -> StatePlaces {
        match self.driver() {
            DriverKind::Known => places(self.preset, env),
            DriverKind::Scripted => StatePlaces::default(),
            DriverKind::Exec | DriverKind::Acp => StatePlaces {
                made: Vec::new(),
                other: PRESETS
                    .iter()
                    .map(|preset| places(preset, env))
                    .flat_map(|found| found.made.into_iter().chain(found.other))
                    .collect(),
            },
        }
    }
}

/// `~/X` lies in the home directory; `$X` and `$X/Y` go by a variable; a name that ends in `/` is a directory that the
/// agent makes.
fn places(preset: &Preset, env: &[(OsString, OsString)]) -> StatePlaces {
    let mut found = StatePlaces::default();
    let value = |name: &str| {
        let (_, value) = env.iter().find(|(found, _)| found == OsStr::new(name))?;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    for place in preset.state {
        let path = match (place.strip_prefix("~/"), place.strip_prefix('$')) {
            (Some(rest), _) => value("HOME").map(|home| home.join(rest)),
            (None, Some(rest)) => {
                let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
                value(name).map(|dir| dir.join(below))
            }
            (None, None) => Some(Path::new(place).to_owned()),
        };
        match (path, place.ends_with('/')) {
            (Some(path), true) => found.made.push(path),
            (Some(path), false) => found.other.push(path),
            (None, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::resolve;

    fn env() -> Vec<(OsString, OsString)> {
        [("HOME", "/home/u"), ("CODEX_HOME", "/codex")]
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    }

    #[test]
    fn a_known_agent_gets_its_own_places_and_no_others() {
        let claude = resolve("claude", &Default::default()).expect("known");
        let places = claude.state_places(&env());
        assert_eq!(places.made, [Path::new("/home/u/.claude/")]);
        assert!(places.other.contains(&"/home/u/.claude.json".into()));
        assert!(!places.other.contains(&"/codex".into()));
    }

    #[test]
    fn a_variable_names_the_place_and_a_command_of_the_users_makes_none() {
        let codex = resolve("codex", &Default::default()).expect("known");
        assert!(codex.state_places(&env()).other.contains(&"/codex".into()));
        let mine = crate::config::AgentDefinition {
            command: Some("mine".to_owned()),
            ..Default::default()
        };
        let mine = resolve("mine", &[("mine".to_owned(), mine)].into()).expect("defined");
        let places = mine.state_places(&env());
        assert!(places.made.is_empty());
        assert!(places.other.contains(&"/home/u/.claude/".into()));
        assert!(places.other.contains(&"/home/u/.gemini/".into()));
    }
}
