//! `loopctl demo`: runs a whole spec in a scratch repository with the scripted agent, shows each transition as it
//! happens, and prints what was merged. It needs git and nothing else: no account, no network, no running daemon.

use std::path::Path;

use serde_json::json;

use super::wait::{event, fetch, verdict};
use crate::api::wire::{CreateRun, CreatedRun, EventRecord, Status};
use crate::cli::client::call::Call;
use crate::cli::client::follow::{Follow, Next};
use crate::cli::client::request::Client;
use crate::cli::client::uri::run_path;
use crate::cli::context::Context;
use crate::cli::demo::private::PrivateDaemon;
use crate::cli::demo::{SCRIPT, repository};
use crate::cli::error::Error;
use crate::cli::render::text::{plain, tail};
use crate::core::words::several;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl demo --keep")]
pub struct Arguments {
    /// Keep the scratch repository and the daemon's data, and say where they are
    #[arg(long)]
    pub keep: bool,
}

/// Runs the demo.
///
/// # Errors
/// Whatever kept it from a merged branch.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let scratch = tempfile::Builder::new()
        .prefix("loopd-demo-")
        .tempdir()
        .map_err(|e| Error::local("make a scratch directory", e))?;
    let home = scratch.path().to_owned();
    let done = tokio::select! {
        done = play(&home, context) => done,
        interrupted = tokio::signal::ctrl_c() => {
            let why = interrupted.map_or_else(|e| e, |()| std::io::ErrorKind::Interrupted.into());
            Err(Error::local("finish the demo", why))
        }
    };
    if arguments.keep {
        let kept = scratch.keep();
        context.line(format!("kept: {}", kept.display()))?;
    } else if done.is_err() {
        context.line(
            "nothing is kept; `loopctl demo --keep` keeps the repository and the daemon's log",
        )?;
    }
    done
}

async fn play(home: &Path, context: &mut Context) -> Result<(), Error> {
    let repo = home.join("greet");
    let script = home.join("script.toml");
    std::fs::create_dir_all(&repo)
        .and_then(|()| std::fs::write(&script, SCRIPT))
        .map_err(|e| Error::local("write the demo's files", e))?;
    repository::make(&repo)?;
    context.line("a scratch repository with a spec, a plan of two tasks and a failing test; a daemon of its own")?;
    let daemon = PrivateDaemon::start(home)?;
    context.global.addr.clone_from(&daemon.addr);
    context.global.data_dir = Some(home.join("data"));
    context.global.token = None;
    let client = context.client().await?;
    let created = create(&client, &repo, &script).await?;
    let run = created.run.id.to_string();
    context.line(format!(
        "run {}: {}, agent `scripted`",
        tail(created.run.id),
        several(created.plan.tasks, "task", "tasks")
    ))?;
    follow(&client, &run, context).await?;
    let ended = fetch(&client, &run).await?;
    verdict(&ended)?;
    let target = &ended.worktree.merge_target_branch;
    context.line(format!(
        "\nmerged into {target}; the checkout stays on main, as it was:"
    ))?;
    let log = repository::git(&repo, &["log", "--oneline", "--graph", "--all", "-12"])?;
    context.line(log.trim_end())?;
    let file = format!("{target}:greet.sh");
    context.line(format!("\n$ git show {file}"))?;
    context.line(repository::git(&repo, &["show", &file])?.trim_end())?;
    daemon.end();
    Ok(())
}

async fn create(client: &Client, repo: &Path, script: &Path) -> Result<CreatedRun, Error> {
    let settings = json!({
        "agents": { "scripted": { "driver": "scripted", "args": [script] } },
        "verify_cmds": ["sh tests/greet_test.sh"],
    });
    let root = repo.to_str().ok_or_else(|| {
        Error::local(
            "use the scratch directory",
            std::io::Error::other(format!(
                "{} is not UTF-8; set TMPDIR to a path that is",
                repo.display()
            )),
        )
    })?;
    let body = CreateRun {
        spec_path: repository::SPEC.to_owned(),
        workspace_root: root.to_owned(),
        agent: Some("scripted".to_owned()),
        config_override: settings.as_object().cloned(),
        ..CreateRun::default()
    };
    let call = Call::post("create the demo's run", "/runs").json(&body)?;
    client.send(call).await?.json()
}

/// Shows what happens until the run has come to rest and its worktree is settled.
async fn follow(client: &Client, run: &str, context: &mut Context) -> Result<(), Error> {
    let call = Call::get("follow the demo's run", run_path(run, "/events"));
    let mut stream = Follow::new(client, call);
    loop {
        match stream.next().await? {
            Next::Message(message) => {
                let event = event(&message)?;
                if let Some(line) = line(&event) {
                    context.line(line)?;
                }
                let over = [
                    "WORKTREE_REMOVED",
                    "RUN_FAILED",
                    "RUN_PAUSED",
                    "RUN_CANCELED",
                ];
                if over.contains(&event.kind.as_str()) {
                    return Ok(());
                }
            }
            Next::Closed => {
                let run = fetch(client, run).await?;
                if run.status.has_ended() || run.status == Status::Paused {
                    return Ok(());
                }
            }
        }
    }
}

/// The events that tell the story.
fn line(event: &EventRecord) -> Option<String> {
    let text = |key: &str| {
        let value = event.payload.get(key).and_then(|v| v.as_str());
        value.map(plain).unwrap_or_default()
    };
    Some(match event.kind.as_str() {
        "RUN_STATE_CHANGED" => {
            format!(
                "  {:<9} -> {:<9}  {}",
                text("from"),
                text("to"),
                text("event")
            )
        }
        "STEP_STARTED" => format!("               {} begins", text("phase")),
        "REVIEW_FINISHED" => format!("               the reviewer: {}", text("verdict")),
        "VERIFICATION_FINISHED" => {
            let passed = event
                .payload
                .get("passed")
                .and_then(serde_json::Value::as_bool);
            let word = if passed == Some(true) {
                "passed"
            } else {
                "failed"
            };
            format!("               the checks {word}")
        }
        "MERGE_FINISHED" => format!("               merged as {:.12}", text("commit")),
        "WORKTREE_CREATED" => format!("               a worktree on {}", text("branch")),
        "WORKTREE_REMOVED" => {
            "               the worktree is removed; all of it is in branches".to_owned()
        }
        _ => return None,
    })
}
