//! `summary.json`, for every end of a run. Keys and reasons are the contract of the product's files; what is not known is
//! `null`, never left out.

use serde::Serialize;

use super::place::RunFiles;
use crate::config::RunConfig;
use crate::core::plan::CompletionMode;
use crate::core::run::State;
use crate::core::time::Time;
use crate::store::{StoredRun, StoredStep};

/// A run in one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    run_id: String,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    total_duration_ms: Option<u64>,
    iterations_run: u32,
    completed_iteration: Option<u32>,
    avg_duration_ms: Option<u64>,
    last_exit_code: Option<i32>,
    completion_mode: &'static str,
    model: Option<String>,
    exit_reason: String,
    run_log: String,
    run_report: String,
    prompt_snapshot: String,
    last_iteration_tail: Option<String>,
    last_iteration_log: Option<String>,
    /// Beyond the earlier system's keys: whether the work was proved by checks, and where it went.
    unverified: bool,
    merge_commit: Option<String>,
    run_branch: Option<String>,
    merge_target_branch: Option<String>,
}

impl Summary {
    /// The summary of an ended run and its steps.
    pub fn of(run: &StoredRun, steps: &[StoredStep], config: &RunConfig, files: &RunFiles) -> Self {
        let facts = &run.facts;
        let start = facts.started_at;
        let end = facts.ended_at;
        let total = start.zip(end).map(|(s, e)| e.ms_since(s));
        let last_agent = steps.iter().rev().find(|s| s.phase == "implementation");
        let iteration = facts.iteration;
        let file = |suffix: &str| {
            (iteration > 0).then(|| {
                files
                    .path(&format!("iter-{iteration:02}-impl{suffix}"))
                    .display()
                    .to_string()
            })
        };
        Summary {
            run_id: run.id.to_string(),
            start_ms: start.map(|t: Time| t.0),
            end_ms: end.map(|t| t.0),
            total_duration_ms: total,
            iterations_run: iteration,
            completed_iteration: (run.state == State::Completed).then_some(iteration),
            avg_duration_ms: total.and_then(|t| t.checked_div(u64::from(iteration))),
            last_exit_code: last_agent.and_then(|s| s.facts.exit_code),
            completion_mode: match config.completion_mode {
                CompletionMode::Trailing => "trailing",
                CompletionMode::Exact => "exact",
            },
            model: config.model.clone(),
            exit_reason: exit_reason(run),
            run_log: files.path("run.log").display().to_string(),
            run_report: files.path("report.tsv").display().to_string(),
            prompt_snapshot: files.path("prompt.txt").display().to_string(),
            last_iteration_tail: file(".tail.txt"),
            last_iteration_log: file(".log"),
            unverified: !facts.terms.has_checks,
            merge_commit: facts.merge_commit.clone(),
            run_branch: facts.worktree.as_ref().map(|w| w.run_branch.clone()),
            merge_target_branch: facts
                .worktree
                .as_ref()
                .map(|w| w.merge_target_branch.clone()),
        }
    }
}

/// The reason in the words of the contract: complete_plan, iterations_exhausted, agent_failed, failed, canceled.
fn exit_reason(run: &StoredRun) -> String {
    let code = run.facts.failure.as_ref().map(|f| f.code.as_str());
    match run.state {
        State::Completed => "complete_plan",
        State::Canceled => "canceled",
        State::Failed => match code {
            Some("iterations_exhausted") => "iterations_exhausted",
            Some("agent_failed" | "agent_auth" | "agent_refused") => "agent_failed",
            Some(_) | None => "failed",
        },
        State::Queued
        | State::Running
        | State::Verifying
        | State::Watchdog
        | State::Merging
        | State::Paused => "failed",
    }
    .to_owned()
}
