//! Runs the checks on the tip of the run branch: each a real shell command with a timeout, a log and an exit code of its
//! own; all of them run. A check that changes tracked files has failed: what it passed on is not what would be merged.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::Done;
use super::check_failed::{fingerprint, tail_of, why_failed};
use super::desk::{Desk, oid};
use super::environment::Environment;
use super::note::{read_json, write_json};
use super::products;
use super::sandbox;
use super::step::{self, Outcome};
use super::step_news;
use super::step_rest;
use crate::core::run::{CheckFailure, ChecksReport, Event, Trouble};
use crate::effect::files::{Row, RowKind};
use crate::effect::git::{self, Repo, Tip};
use crate::effect::keeper::{Command, ExitRecord, Job, Stderr, Stdin};
use crate::store::Artifact;

/// Runs all checks.
pub(super) async fn checks(desk: &Desk<'_>, stop: &CancellationToken) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    let worktree = desk.git_worktree()?;
    if desk.config.verify_cmds.is_empty() {
        step_news::begun(desk).await?;
        let tip = git::head(&repo, &worktree).await?;
        return Ok(report(desk, &tip, Vec::new(), Vec::new(), 0).await);
    }
    let outcome = step::drive(desk, stop, async |dir: &Path| {
        let tip = git::head(&repo, &worktree).await?;
        write_json(
            &dir.join("tip.json"),
            &(tip.commit.as_str(), tip.tree.as_str()),
        )?;
        // What they pass on is what everybody else gets.
        let start = oid(&desk.worktree()?.start_commit)?;
        let anew = git::check_out_anew(&repo, &worktree, &start, &tip).await?;
        if !anew.is_empty() {
            let paths = names(&anew).join(", ");
            tracing::info!(run = %desk.order.run.id, paths, "checked out anew, as attributes convert them");
        }
        let dirty = git::changed_tracked(&repo, &worktree).await?;
        write_json(&dir.join("dirty.json"), &names(&dirty))?;
        products::note_before(&repo, &worktree, dir).await?;
        let row = Row {
            iteration: desk.facts().iteration,
            ..Row::default()
        };
        desk.report(RowKind::VerifyStart, &row, desk.facts().plan);
        job(desk, dir).await
    })
    .await?;
    let record = match outcome {
        Outcome::Exited(record) => record,
        Outcome::Lost => return Ok(step_news::lost(desk, None)),
        Outcome::LetGo => return Ok(step_news::let_go(desk).await),
    };
    settle(desk, &repo, &worktree, &record).await
}

async fn job(desk: &Desk<'_>, dir: &Path) -> Result<Job, Trouble> {
    let worktree = desk.worktree()?;
    let mut env = Environment::of(&desk.world.environment, &desk.config.env_pass)?;
    let sandbox = sandbox::of_checks(desk, &mut env).await?;
    let mut commands = Vec::new();
    for (k, check) in desk.config.verify_cmds.iter().enumerate() {
        commands.push(Command {
            argv: ["/bin/sh", "-c", check]
                .into_iter()
                .map(Into::into)
                .collect(),
            cwd: Path::new(&worktree.path).into(),
            env: env.clone().into_entries(),
            stdin: Stdin::Null,
            stdout: dir.join(log_name(k)).into(),
            stderr: Stderr::Merged,
            timeout_ms: Some(desk.config.verify_timeout_sec.saturating_mul(1000)),
            idle_timeout_ms: None,
            max_output_bytes: desk.config.max_output_bytes,
        });
    }
    Ok(Job {
        marker: step_rest::marker(desk),
        commands,
        grace_ms: desk.config.stop_grace_sec.saturating_mul(1000),
        worktree_lock: Some(desk.files.worktree_lock().into()),
        sandbox,
    })
}

/// The log of the k-th check (from 0) in the step's directory.
fn log_name(k: usize) -> String {
    format!("output-{}", k + 1)
}

async fn settle(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    record: &ExitRecord,
) -> Result<Done, Trouble> {
    let dir = desk.step_dir();
    let (commit, tree): (String, String) = read_json(&dir.join("tip.json"))?;
    let before: Vec<String> = read_json(&dir.join("dirty.json"))?;
    products::note_after(desk, repo, worktree, &dir).await?;
    let mut failures = Vec::new();
    let mut artifacts = Vec::new();
    for (k, check) in desk.config.verify_cmds.iter().enumerate() {
        let ended = record.commands.get(k).cloned().unwrap_or_default();
        let log = dir.join(log_name(k));
        let name = format!("verify/verify-{:02}-{}.log", desk.facts().iteration, k + 1);
        artifacts.extend(desk.files.adopt("verify", &name, &log, desk.now()).await);
        let why = why_failed(&ended, desk.config.verify_timeout_sec);
        let path = desk.files.path(&name);
        let row = Row {
            iteration: desk.facts().iteration,
            duration_ms: ended.duration_ms,
            exit_code: ended.exit_code,
            output_bytes: ended.output_bytes,
            output_lines: ended.output_lines,
            output_path: Some(&path),
            message: check,
        };
        desk.report(RowKind::VerifyCmdEnd, &row, desk.facts().plan);
        if let Some(why) = why {
            let tail = tail_of(&log)?;
            failures.push(CheckFailure {
                command: check.clone(),
                why,
                tail,
            });
        }
    }
    failures.extend(changed_files(desk, repo, worktree, &before).await?);
    let tip = Tip {
        commit: oid(&commit)?,
        tree: oid(&tree)?,
    };
    let now = git::head(repo, worktree).await?;
    if now.commit != tip.commit {
        failures.push(CheckFailure {
            command: "git".to_owned(),
            why: format!(
                "the run branch moved from {} to {} while the checks ran",
                tip.commit, now.commit
            ),
            tail: String::new(),
        });
    }
    let took = record.commands.iter().map(|c| c.duration_ms).sum();
    Ok(report(desk, &tip, failures, artifacts, took).await)
}

/// Tracked files that differ from the tip: a failure of the checks that changed them, or of whoever left them so.
async fn changed_files(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    before: &[String],
) -> Result<Option<CheckFailure>, Trouble> {
    let changed = names(&git::changed_tracked(repo, worktree).await?);
    if changed.is_empty() {
        return Ok(None);
    }
    let why = if before.is_empty() {
        format!("the checks changed tracked files: {}", changed.join(", "))
    } else {
        format!(
            "files in the worktree differ from its tip: {}",
            changed.join(", ")
        )
    };
    Ok(Some(CheckFailure {
        command: desk.config.verify_cmds.join("; "),
        why,
        tail: String::new(),
    }))
}

fn names(paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|p| p.display().to_string()).collect()
}

async fn report(
    desk: &Desk<'_>,
    tip: &Tip,
    failures: Vec<CheckFailure>,
    artifacts: Vec<Artifact>,
    duration_ms: u64,
) -> Done {
    let message = match failures.first() {
        None => "passed".to_owned(),
        Some(first) => format!("{}: {}", first.command, first.why),
    };
    let row = Row {
        iteration: desk.facts().iteration,
        duration_ms,
        exit_code: Some(i32::from(!failures.is_empty())),
        message: &message,
        ..Row::default()
    };
    desk.report(RowKind::VerifyEnd, &row, desk.facts().plan);
    let mut artifacts = artifacts;
    if !failures.is_empty() {
        let notes: String = failures
            .iter()
            .map(|f| format!("$ {}\n{}\n{}\n\n", f.command, f.why, f.tail))
            .collect();
        let written = desk
            .files
            .write("notes", "runner-notes.txt", notes.as_bytes(), desk.now());
        artifacts.extend(written.await);
    }
    let step = desk.step_report(if failures.is_empty() {
        crate::core::step::Event::Succeeded { exit_code: Some(0) }
    } else {
        crate::core::step::Event::Failed {
            exit_code: Some(1),
            message: message.clone(),
        }
    });
    let fingerprint = fingerprint(&failures);
    Done::event(
        Event::ChecksDone {
            generation: desk.generation(),
            report: ChecksReport {
                head: tip.commit.to_string(),
                tree: tip.tree.to_string(),
                failures,
                fingerprint,
            },
        },
        message,
    )
    .with_step(step)
    .with_artifacts(artifacts)
}
