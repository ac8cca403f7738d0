//! `loopctl doctor`: is everything here that a run needs? One line for each thing, with what to do about it. It looks and
//! changes nothing; a daemon that is not running is worth a word, not a failure.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cli::client::readiness::probe;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::word;
use crate::cli::render::style::{ATTENTION, BAD, GOOD, paint};
use crate::cli::render::text::plain;

/// The oldest git whose `merge-tree --write-tree` and `worktree list -z` are enough.
const OLDEST_GIT: (u32, u32) = (2, 38);
/// How long anything that is asked may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commands of the agents that there are drivers for.
const AGENTS: [&str; 2] = ["claude", "codex"];

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl doctor --json")]
pub struct Arguments {}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Good,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    level: Level,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Looks and prints.
///
/// # Errors
/// Something that a run needs is missing.
pub async fn execute(Arguments {}: Arguments, context: &mut Context) -> Result<(), Error> {
    let mut findings = vec![git().await];
    let data_dir = context.data_dir();
    findings.extend(data_dir_modes(data_dir.as_deref()));
    findings.push(daemon(context).await?);
    findings.push(agents());
    if context.global.json {
        let all = serde_json::json!({ "findings": findings });
        context.line(all.to_string())?;
    } else {
        for finding in &findings {
            let style = match finding.level {
                Level::Good => GOOD,
                Level::Warning => ATTENTION,
                Level::Bad => BAD,
            };
            let level = paint(style, &format!("{:<8}", word(&finding.level)));
            context.line(format!(
                "{level} {:<10} {}",
                finding.what,
                plain(&finding.message)
            ))?;
            if let Some(hint) = &finding.hint {
                context.line(format!("{:<19} hint: {}", "", plain(hint)))?;
            }
        }
    }
    match findings.iter().filter(|f| f.level == Level::Bad).count() {
        0 => Ok(()),
        bad => Err(Error::local(
            "find everything that a run needs",
            format!("{bad} missing or wrong"),
        )),
    }
}

fn finding(what: &'static str, level: Level, message: impl Into<String>, hint: &str) -> Finding {
    Finding {
        what,
        level,
        message: message.into(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}

async fn git() -> Finding {
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

fn data_dir_modes(dir: Option<&Path>) -> Vec<Finding> {
    let Some(dir) = dir else {
        let hint = "set HOME, or give --data-dir";
        return vec![finding(
            "data dir",
            Level::Bad,
            "no place can be named for it",
            hint,
        )];
    };
    let mut findings = Vec::new();
    for (what, path, allowed) in [
        ("data dir", dir.to_owned(), 0o700),
        ("token", dir.join("token"), 0o600),
    ] {
        let shown = path.display().to_string();
        findings.push(
            match fs::metadata(&path).map(|m| m.permissions().mode() & 0o777) {
                Ok(mode) if mode & !allowed == 0 => finding(what, Level::Good, shown, ""),
                Ok(mode) => {
                    let message = format!("{shown} has mode {mode:04o}, others can reach it");
                    finding(
                        what,
                        Level::Bad,
                        message,
                        &format!("chmod {allowed:o} {shown}"),
                    )
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let message = format!("{shown} does not exist yet");
                    finding(
                        what,
                        Level::Warning,
                        message,
                        "the daemon makes it at its first start",
                    )
                }
                Err(error) => finding(
                    what,
                    Level::Bad,
                    format!("{shown}: {error}"),
                    "look at its owner and mode",
                ),
            },
        );
    }
    findings
}

async fn daemon(context: &Context) -> Result<Finding, Error> {
    let endpoint = context.endpoint()?;
    let address = &endpoint.address;
    let ours = env!("CARGO_PKG_VERSION");
    Ok(match probe(address, &endpoint.token, PATIENCE).await {
        Ok(health) if health.version == ours => finding(
            "daemon",
            Level::Good,
            format!("loopd {ours} at {address}"),
            "",
        ),
        Ok(health) => {
            let message = format!(
                "loopd {} at {address}, but loopctl is {ours}",
                health.version
            );
            finding(
                "daemon",
                Level::Warning,
                message,
                "restart the daemon after an upgrade",
            )
        }
        Err(miss) => {
            let hint = format!("start it with `{}`", endpoint.start);
            finding(
                "daemon",
                Level::Warning,
                format!("not reached at {address}: {miss}"),
                &hint,
            )
        }
    })
}

fn agents() -> Finding {
    let path = env::var_os("PATH").unwrap_or_default();
    let found: Vec<String> = AGENTS
        .iter()
        .filter_map(|name| on_path(name, &path))
        .map(|path| path.display().to_string())
        .collect();
    if found.is_empty() {
        let message = format!("none of {} is on PATH", AGENTS.join(", "));
        return finding(
            "agents",
            Level::Warning,
            message,
            "install one, or define your own in [agents.NAME]",
        );
    }
    finding("agents", Level::Good, found.join(", "), "")
}

/// Where a command is found, as a shell would.
pub fn on_path(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    let runs = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(path).map(|dir| dir.join(name)).find(runs)
}
