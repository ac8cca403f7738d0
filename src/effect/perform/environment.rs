//! The environment of agents and checks: an allow-list, never the daemon's own environment with holes. loopd's own
//! variables (its token among them) are on no list.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::core::run::{Trouble, TroubleKind};
use crate::effect::keeper::OsText;

use super::trouble::trouble;

/// What every process of a run may see, where the daemon has it.
const ALWAYS: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "NODE_EXTRA_CA_CERTS",
];

/// An environment in the making: later entries replace earlier ones.
#[derive(Clone)]
pub(in crate::effect) struct Environment {
    entries: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// What passes the list, and the names or globs in `pass`.
    pub(in crate::effect) fn of(
        daemon: &[(OsString, OsString)],
        pass: &[String],
    ) -> Result<Self, Trouble> {
        let allowed = globs(
            ALWAYS
                .iter()
                .copied()
                .chain(pass.iter().map(String::as_str)),
        )?;
        let entries = daemon
            .iter()
            .filter(|(name, _)| allowed.is_match(name) && !is_ours(name))
            .cloned()
            .collect();
        Ok(Environment { entries })
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.entries.insert(name.into(), value.into());
    }

    /// A setting of git's for every call of it, the way it reads them from its environment. What is there already stays.
    pub(super) fn configure_git(&mut self, key: &str, value: &str) {
        const COUNT: &str = "GIT_CONFIG_COUNT";
        let given = self.entries.get(OsStr::new(COUNT));
        let n: u32 = given
            .and_then(|count| count.to_str()?.parse().ok())
            .unwrap_or(0);
        self.set(&format!("GIT_CONFIG_KEY_{n}"), key);
        self.set(&format!("GIT_CONFIG_VALUE_{n}"), value);
        self.set(COUNT, n.saturating_add(1).to_string());
    }

    /// The whole so far.
    pub(super) fn entries(&self) -> Vec<(OsString, OsString)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The whole, as a keeper takes it.
    pub(in crate::effect) fn into_entries(self) -> Vec<(OsText, OsText)> {
        self.entries
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"LOOPD_")
}

fn globs<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<GlobSet, Trouble> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = Glob::new(pattern).map_err(|error| {
            trouble(
                TroubleKind::Permanent,
                "env_pass",
                format!("`{pattern}` in env_pass is no name or glob: {error}"),
            )
        })?;
        set.add(glob);
    }
    set.build().map_err(|error| {
        trouble(
            TroubleKind::Permanent,
            "env_pass",
            format!("failed to build the list of variables: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_passes_and_never_our_own() {
        let daemon: Vec<(OsString, OsString)> =
            ["PATH", "SECRET", "MY_KEY", "LOOPD_TOKEN", "LC_ALL"]
                .iter()
                .map(|n| (OsString::from(n), OsString::from("1")))
                .collect();
        let env = Environment::of(&daemon, &["MY_*".to_owned(), "LOOPD_TOKEN".to_owned()])
            .expect("globs");
        let names: Vec<String> = env
            .into_entries()
            .into_iter()
            .map(|(n, _)| n.to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["LC_ALL", "MY_KEY", "PATH"]);
    }
}
