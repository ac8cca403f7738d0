//! `loopctl doctor`: is everything here that a run needs? One line for each thing, with what to do about it. It looks and
//! changes nothing; a daemon that is not running is worth a word, not a failure.

mod daemon;
pub mod tools;

use std::time::Duration;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::word;
use crate::cli::render::style::{ATTENTION, BAD, GOOD, paint};
use crate::cli::render::text::plain;
use crate::cli::settings;
use crate::cli::workspace::root_of;
use crate::core::step::{Confined, Confinement};

/// How long anything that is asked may take.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let current = std::env::current_dir();
    let current = current.map_err(|e| Error::local("find the current directory", e))?;
    let config = settings::of_workspace(&root_of(&current), settings::user_file().as_deref());
    let mut findings = vec![
        tools::git().await,
        tools::agents(config.as_ref().ok()).await,
    ];
    findings.extend(tools::worktrunk(config.as_ref().ok()));
    findings.push(match config {
        Ok(_) => finding("config", Level::Good, "understood", ""),
        Err(error) => finding(
            "config",
            Level::Bad,
            error.to_string(),
            "`loopctl init --print` explains every key",
        ),
    });
    findings.push(sandbox((context.confinement)()));
    let data_dir = context.data_dir();
    findings.extend(daemon::data_dir_modes(data_dir.as_deref()));
    findings.push(daemon::daemon(context).await?);
    if context.global.json {
        let all = serde_json::json!({ "findings": findings });
        context.data(all.to_string())?;
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

/// What `sandbox` can keep on this machine.
fn sandbox(found: Confinement) -> Finding {
    let abi = found.landlock_abi;
    match found.level {
        Confined::Full => {
            let message = format!(
                "Landlock (version {abi}): a step can be kept from writing elsewhere{}",
                if abi < 6 {
                    ""
                } else {
                    ", and from signalling others"
                }
            );
            finding("sandbox", Level::Good, message, "")
        }
        Confined::Partial => finding(
            "sandbox",
            Level::Warning,
            format!(
                "Landlock (version {abi}), in part: {}",
                found.lacks.join("; ")
            ),
            "runs with sandbox = \"required\" are refused",
        ),
        Confined::None | Confined::Off => finding(
            "sandbox",
            Level::Warning,
            format!("agents cannot be confined: {}", found.lacks.join("; ")),
            "an agent can write wherever you can; runs with sandbox = \"required\" are refused",
        ),
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
