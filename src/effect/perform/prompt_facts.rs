//! What a prompt has to say, gathered from the run's facts, its plan and its skills. What is decided (task, mode, notes) was
//! decided before; which prompt is rendered with it is in `prompting`.

use std::fmt::Write as _;
use std::path::Path;

use super::desk::oid;
use super::skills;
use crate::config::RunConfig;
use crate::core::plan::{Checklist, Next, TOKEN};
use crate::core::run::{Facts, MergeStrategy, Mode, RunId, Spec, Trouble, Worktree};
use crate::core::skills::Briefing;
use crate::core::watchdog::{Checks, Iteration, Review};
use crate::core::words::several;
use crate::effect::git::{self, Repo};
use crate::prompt::{PromptFacts, TaskFacts};

/// What a prompt is about: a run as it is known, or as it would be.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub run_id: &'a RunId,
    pub spec: &'a Spec,
    pub config: &'a RunConfig,
    pub facts: &'a Facts,
    pub worktree: &'a Worktree,
}

/// All that an implementation's prompt can say, and what is to be told of its skills. The spec is read at the run's start
/// where it is not handed in.
pub(super) async fn gathered(
    subject: &Subject<'_>,
    repo: &Repo,
    plan: &Checklist,
    next: &Next,
    spec: Option<&str>,
) -> Result<(PromptFacts, Briefing), Trouble> {
    let mut facts = without_skills(subject, plan, next);
    let spec = match spec {
        Some(spec) => spec.to_owned(),
        None => spec_at_start(subject, repo).await?,
    };
    let briefing = add_skills(subject, repo, &mut facts, &spec).await?;
    Ok((facts, briefing))
}

pub(super) async fn spec_at_start(subject: &Subject<'_>, repo: &Repo) -> Result<String, Trouble> {
    if !subject.config.skills_enabled {
        return Ok(String::new());
    }
    let start = oid(&subject.worktree.start_commit)?;
    let bytes = git::show(repo, &start, Path::new(&subject.spec.spec_path)).await?;
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

pub(super) async fn add_skills(
    subject: &Subject<'_>,
    repo: &Repo,
    facts: &mut PromptFacts,
    spec: &str,
) -> Result<Briefing, Trouble> {
    let start = oid(&subject.worktree.start_commit)?;
    let offer = skills::offer(subject, repo, &start, facts.task.as_ref(), spec).await;
    facts.skills = offer.shown;
    facts.skills_left_out = offer.left_out;
    Ok(offer.briefing)
}

pub(super) fn without_skills(subject: &Subject<'_>, plan: &Checklist, next: &Next) -> PromptFacts {
    let Subject {
        run_id,
        spec,
        config,
        facts,
        worktree,
    } = *subject;
    let (mode, task) = match next {
        Next::Task { text, .. } => (Mode::Task, Some(self::task(plan, text))),
        Next::Mend | Next::Blocked { .. } => (Mode::Mend, None),
        Next::Confirm => (Mode::Confirm, None),
    };
    let merges = facts.terms.merge_strategy != MergeStrategy::None;
    PromptFacts {
        run_id: run_id.to_string(),
        run_name: facts.name(spec).to_owned(),
        iteration: facts.iteration,
        spec_path: spec.spec_path.clone(),
        plan_path: spec.plan_path.clone(),
        workspace: worktree.path.clone(),
        branch: worktree.run_branch.clone(),
        base_branch: worktree.base_branch.clone(),
        merge_target: merges.then(|| worktree.merge_target_branch.clone()),
        mode,
        task,
        tasks_done: facts.plan.done,
        tasks_total: facts.plan.total,
        context_files: config.context_files.clone(),
        learnings: learnings(plan),
        runner_notes: runner_notes(facts),
        review_findings: facts.notes.findings.clone(),
        last_iteration: facts.history.last().map(summary),
        signals: facts.notes.signals.clone(),
        conflict_files: facts.notes.conflict.clone(),
        operator_note: facts.notes.operator.clone(),
        verify_cmds: config.verify_cmds.clone(),
        completion_token: TOKEN.to_owned(),
        completion_mode: config.completion_mode,
        skills: Vec::new(),
        skills_left_out: Vec::new(),
        protected_paths: config.protected_paths.clone(),
        review_range: None,
        verdict_by_schema: false,
        outcome: None,
        run_dir: None,
    }
}

pub(super) fn task(plan: &Checklist, text: &str) -> TaskFacts {
    let item = plan.tasks().find(|item| item.full_text() == text);
    TaskFacts {
        text: text.to_owned(),
        line: item.map_or(0, |item| item.line),
        section: item.and_then(|item| plan.path(item).last().map(|s| (*s).to_owned())),
        blocked_by: item.and_then(|item| plan.blocked_by(item).map(str::to_owned)),
    }
}

fn learnings(plan: &Checklist) -> Option<String> {
    plan.sections
        .iter()
        .find(|section| section.title.to_lowercase().contains("learnings"))
        .map(|section| section.title.clone())
}

fn runner_notes(facts: &Facts) -> Option<String> {
    let failures = &facts.notes.failures;
    let mut notes = String::new();
    for failure in failures {
        let _ = write!(
            notes,
            "$ {}\n{}\n{}\n",
            failure.command, failure.why, failure.tail
        );
    }
    (!notes.is_empty()).then_some(notes)
}

/// The iteration before, in a line.
fn summary(last: &Iteration) -> String {
    let review = match last.review {
        Review::NotAsked => "",
        Review::Approved => ", review approved",
        Review::ChangesRequested => ", review sent back",
    };
    let checks = match &last.checks {
        Checks::None => "",
        Checks::Passed => ", checks passed",
        Checks::Failed { .. } => ", checks failed",
    };
    format!(
        "{}, {} ticked{review}{checks}",
        several(last.commits, "commit", "commits"),
        several(last.boxes_ticked, "box", "boxes")
    )
}
