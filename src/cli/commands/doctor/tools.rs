//! What has to be installed: git, and at least one agent.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Finding, Level, PATIENCE, finding};
use crate::config::{RunConfig, WorktreeProvider};

/// The oldest git whose `merge-tree --write-tree` and `worktree list -z` are enough.
const OLDEST_GIT: (u32, u32) = (2, 38);
/// Commands of the agents that need no definition.
const AGENTS: [&str; 2] = ["claude", "codex"];

/// Whether git is there and young enough.
pub(super) async fn git() -> Finding {
    let (major, minor) = OLDEST_GIT;
    let hint = format!("install git {major}.{minor} or newer");
    let asked = Command::new("git")
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = match timeout(PATIENCE, asked).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(Err(error)) => {
            return finding(
                "git",
                Level::Bad,
                format!("git does not run: {error}"),
                &hint,
            );
        }
        Err(_) => return finding("git", Level::Bad, "git does not answer", &hint),
    };
    match git_version(&said) {
        Some(version) if version >= OLDEST_GIT => finding("git", Level::Good, said, ""),
        Some(_) => finding("git", Level::Bad, format!("{said} is too old"), &hint),
        None => finding("git", Level::Bad, format!("git answers {said:?}"), &hint),
    }
}

/// Major and minor number from `git version 2.39.5 (…)`.
pub fn git_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Which agents are there: the known ones, and those that the configuration defines by a command.
pub(super) async fn agents(config: Option<&RunConfig>) -> Finding {
    let mut names: Vec<&str> = AGENTS.to_vec();
    let defined = config.into_iter().flat_map(|config| config.agents.values());
    names.extend(defined.filter_map(|agent| agent.command.as_deref()));
    let mut found = Vec::new();
    for name in &names {
        let Some(program) = on_path(name) else {
            continue;
        };
        // Only what is known to understand the question is asked: another command might do anything.
        let version = match AGENTS.contains(name) {
            true => version(&program).await,
            false => None,
        };
        found.push(match version {
            Some(version) => format!("{} ({version})", program.display()),
            None => program.display().to_string(),
        });
    }
    if found.is_empty() {
        let message = format!("none of {} is on PATH", names.join(", "));
        let hint = "install one, or define your own in [agents.NAME]";
        return finding("agents", Level::Warning, message, hint);
    }
    finding("agents", Level::Good, found.join(", "), "")
}

/// Whether `wt` is there, where the configuration asks for it.
pub(super) fn worktrunk(config: Option<&RunConfig>) -> Option<Finding> {
    let what = "worktrunk";
    let provider = config?.worktree_provider;
    let found = on_path("wt");
    let (level, message, hint) = match (provider, found) {
        (WorktreeProvider::Git, _) => return None,
        (_, Some(path)) => (Level::Good, path.display().to_string(), ""),
        (WorktreeProvider::Auto, None) => (
            Level::Good,
            "not on PATH: git adds worktrees".to_owned(),
            "",
        ),
        (WorktreeProvider::Worktrunk, None) => (
            Level::Bad,
            "worktree_provider asks for it, and there is no wt on PATH".to_owned(),
            "install Worktrunk, or choose worktree_provider = \"auto\" or \"git\"; the PATH of loopd counts",
        ),
    };
    Some(finding(what, level, message, hint))
}

/// What an agent answers to `--version`.
async fn version(program: &Path) -> Option<String> {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let first: String = said.lines().next()?.trim().chars().take(60).collect();
    (!first.is_empty()).then_some(first)
}

fn on_path(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}
