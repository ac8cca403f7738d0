//! The command line of a forge, found and called: how a pull request is looked for and made with it, and what its answers
//! mean. It is a command of the person's own: it gets the environment of agents and what it knows the account by, and no
//! shell.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::forge::Forge;
use super::{Snag, failed};
use crate::effect::git::drive;

/// How long one call may take: a few requests over the network.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is read of an answer.
const CAP: usize = 1 << 20;

/// What of a complaint is shown.
const SHOWN: usize = 1000;

/// A pull request to make.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub branch: &'a str,
    pub base: &'a str,
    pub title: &'a str,
    pub body: &'a str,
    /// The work is not done.
    pub draft: bool,
}

/// A forge's command line that is there.
#[derive(Debug)]
pub(super) struct Tool {
    forge: Forge,
    program: PathBuf,
    cwd: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Tool {
    /// The command line for a remote at `url`, to be run in `cwd`.
    pub(super) fn find(
        url: &str,
        cwd: &Path,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Tool, Snag> {
        let path = environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map(|(_, value)| value.clone()).unwrap_or_default();
        let candidates = Forge::of(url);
        let found = candidates.iter().find_map(|forge| {
            // Never one of the repository's own, which a relative entry could lead to.
            let mut programs = which::which_in_global(forge.command(), Some(&path)).ok()?;
            Some((*forge, programs.find(|it| it.is_absolute())?))
        });
        let Some((forge, program)) = found else {
            let names: Vec<&str> = candidates.iter().map(|forge| forge.command()).collect();
            let names = names.join(" or ");
            let message = format!(
                "{names} is not on the PATH of loopd, so that nobody can make a pull request at {url}"
            );
            return Err(failed("forge_missing", message).hint(format!(
                "install {names}, log in with it, and ask again; or push the run branch by hand"
            )));
        };
        Ok(Tool {
            forge,
            program,
            cwd: cwd.to_owned(),
            environment,
        })
    }

    /// The open pull request of a branch, where there is one.
    pub(super) async fn existing(&self, branch: &str) -> Result<Option<String>, Snag> {
        let (args, field): (Vec<&str>, &str) = match self.forge {
            Forge::GitHub => (
                vec![
                    "pr", "list", "--head", branch, "--state", "open", "--limit", "1", "--json",
                    "url",
                ],
                "url",
            ),
            Forge::GitLab => (
                vec!["mr", "list", "--source-branch", branch, "--output", "json"],
                "web_url",
            ),
        };
        let said = self.call(&args, "").await?;
        let list: Value = serde_json::from_str(said.trim()).unwrap_or(Value::Null);
        Ok(list[0][field].as_str().map(str::to_owned))
    }

    /// Makes a pull request; its address.
    pub(super) async fn create(&self, wanted: &Wanted<'_>) -> Result<String, Snag> {
        let (mut args, stdin) = match self.forge {
            Forge::GitHub => (
                vec![
                    "pr",
                    "create",
                    "--head",
                    wanted.branch,
                    "--base",
                    wanted.base,
                    "--title",
                    wanted.title,
                    "--body-file",
                    "-",
                ],
                wanted.body,
            ),
            Forge::GitLab => (
                vec![
                    "mr",
                    "create",
                    "--source-branch",
                    wanted.branch,
                    "--target-branch",
                    wanted.base,
                    "--title",
                    wanted.title,
                    "--description",
                    wanted.body,
                    "--yes",
                ],
                "",
            ),
        };
        if wanted.draft {
            args.push("--draft");
        }
        let said = self.call(&args, stdin).await?;
        let address = said
            .split_whitespace()
            .rfind(|word| word.starts_with("http"));
        address.map(str::to_owned).ok_or_else(|| {
            let message = format!(
                "{} made a pull request and did not say where: {}",
                self.forge.command(),
                shown(said.as_bytes())
            );
            failed("forge_failed", message).hint("ask again: it is looked for first")
        })
    }

    async fn call(&self, args: &[&str], stdin: &str) -> Result<String, Snag> {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(&self.cwd)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .envs([
                ("GH_PROMPT_DISABLED", "1"),
                ("GH_NO_UPDATE_NOTIFIER", "1"),
                ("NO_PROMPT", "1"),
                ("NO_COLOR", "1"),
                ("GIT_TERMINAL_PROMPT", "0"),
            ])
            .process_group(0)
            .stdin(if stdin.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let tried = format!(
            "{} {}",
            self.forge.command(),
            args.iter().take(2).copied().collect::<Vec<_>>().join(" ")
        );
        let ran = match command.spawn() {
            Ok(child) => drive(child, stdin.as_bytes(), CAP, PATIENCE).await,
            Err(error) => Err(error),
        };
        let ended = ran.map_err(|error| {
            failed(
                "forge_failed",
                format!("failed to run `{tried}` in {}: {error}", self.cwd.display()),
            )
        })?;
        match ended.status {
            Some(status) if status.success() => {
                Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
            }
            Some(_) => Err(self.refused(&tried, &ended.stderr)),
            None => Err(failed(
                "forge_failed",
                format!("`{tried}` gave no answer within {PATIENCE:?}"),
            )
            .hint("see whether the forge can be reached, then ask again")),
        }
    }

    fn refused(&self, tried: &str, stderr: &[u8]) -> Snag {
        let command = self.forge.command();
        let message = format!("`{tried}` failed: {}", shown(stderr));
        let variable = match self.forge {
            Forge::GitHub => "GH_TOKEN",
            Forge::GitLab => "GITLAB_TOKEN",
        };
        failed("forge_failed", message).hint(format!(
            "if it is about the account: `{command} auth login` as the user that loopd runs as, or {variable} in loopd's environment; then ask again"
        ))
    }
}

/// The end of what a command said, on one line.
fn shown(bytes: &[u8]) -> String {
    let tail = bytes
        .get(bytes.len().saturating_sub(SHOWN)..)
        .unwrap_or(bytes);
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.trim().chars().filter(|c| !c.is_control()).collect())
        .filter(|line: &String| !line.is_empty())
        .collect();
    if lines.is_empty() {
        "it gave no reason".to_owned()
    } else {
        lines.join("; ")
    }
}
