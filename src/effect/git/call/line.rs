//! What a call runs as, and what it is about: the process and its environment, the repository, the places where it may
//! write, what it changes, and its words.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::Call;
use crate::effect::git::denied::closed;
use crate::effect::git::run::OLDEST;
use crate::effect::git::{GitError, GitErrorKind};

impl Call {
    /// The process, with nothing of the daemon's own git in its environment.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(&self.cwd)
            .process_group(0);
        command.stdin(if self.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (key, _) in std::env::vars_os() {
            if key.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(key);
            }
        }
        command
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .env("SSH_ASKPASS_REQUIRE", "never");
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("GIT_EDITOR", ":");
        command
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        command.env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (n, (key, value)) in self.settings.iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{n}"), key)
                .env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// What the call changes that others see: refs, worktrees, files, a remote. Objects and scratch files are nobody's
    /// business.
    pub(super) fn change(&self) -> Option<&'static str> {
        const CHANGES: [&str; 5] = ["update-ref", "worktree", "checkout-index", "merge", "push"];
        let has = |word: &str| self.args.iter().any(|arg| arg.as_os_str() == word);
        let files = || (has("read-tree") && has("-u")).then_some("read-tree");
        CHANGES
            .into_iter()
            .find(|change| has(change))
            .or_else(files)
    }

    /// The repository that a call is about: the one that it is bound to, else the one that it is made in.
    pub(super) fn repository(&self) -> PathBuf {
        let bound = self.env.iter().find(|(key, _)| key == "GIT_DIR");
        bound.map_or_else(|| self.cwd.clone(), |(_, dir)| self.cwd.join(dir))
    }

    /// Where a call may write: what it works in, and what its environment names.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        const NAMED: [&str; 5] = [
            "GIT_DIR",
            "GIT_COMMON_DIR",
            "GIT_WORK_TREE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_INDEX_FILE",
        ];
        let named = NAMED.iter().filter_map(|name| {
            let (_, value) = self.env.iter().find(|(key, _)| key == name)?;
            Some(self.cwd.join(value))
        });
        std::iter::once(self.cwd.clone()).chain(named).collect()
    }

    /// What is tried, as an error tells it.
    pub(super) fn tried(&self) -> String {
        let args: Vec<_> = self
            .args
            .iter()
            .take(6)
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let program = self.program.file_name().unwrap_or_default();
        let (program, cwd) = (program.to_string_lossy(), self.cwd.display());
        format!("run {program} {} in {cwd}", args.join(" "))
    }

    /// Why it could not be started.
    pub(super) fn not_started(&self, tried: String, error: &std::io::Error) -> GitError {
        if let Some(place) = closed(&self.cwd) {
            return GitError::denied(tried, &place);
        }
        if !self.cwd.is_dir() {
            let said = format!("{} is not a directory", self.cwd.display());
            return GitError::missing(&self.repository(), &said);
        }
        let (kind, said) = if error.kind() == std::io::ErrorKind::NotFound {
            let need = format!("git {}.{} or newer", OLDEST.0, OLDEST.1);
            (
                GitErrorKind::Permanent,
                format!("{} not found; install {need}", self.program.display()),
            )
        } else if matches!(
            error.kind(),
            // A name with a NUL in it is no name of anything.
            std::io::ErrorKind::ArgumentListTooLong | std::io::ErrorKind::InvalidInput
        ) {
            (GitErrorKind::Permanent, error.to_string())
        } else {
            // No process or descriptor to be had: passes with the load.
            (GitErrorKind::Transient, error.to_string())
        };
        GitError { kind, tried, said }
    }
}
