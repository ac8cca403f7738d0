//! Gathers what a prompt has to say from the run's facts and renders it. The words are the templates' (a workspace's own
//! are read at the commit that the run started from); what is decided (task, mode, notes) was decided before.

use std::fmt::Write as _;
use std::path::Path;

use super::agent_step;
use super::desk::{Desk, oid};
use super::rewrite::rewrite_name;
use super::skills;
use super::template::add_template;
use super::trouble::io_trouble;
use crate::config::RunConfig;
use crate::core::plan::{Checklist, Next, TOKEN};
use crate::core::run::{Facts, MergeStrategy, Mode, RunId, Spec, Trouble, Worktree};
use crate::core::skills::Briefing;
use crate::core::watchdog::{Checks, Iteration, Review};
use crate::core::words::several;
use crate::effect::git::{self, Repo};
use crate::prompt::{self, Overrides, PromptFacts, PromptKind, TaskFacts};

/// What a prompt is about: a run as it is known, or as it would be.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub run_id: &'a RunId,
    pub spec: &'a Spec,
    pub config: &'a RunConfig,
    pub facts: &'a Facts,
    pub worktree: &'a Worktree,
}

/// The prompt of an implementation. After the watchdog asked for a rewrite, the rewritten one takes its place once.
pub(super) async fn implementation(
    desk: &Desk<'_>,
    repo: &Repo,
    plan: &Checklist,
    next: &Next,
) -> Result<String, Trouble> {
    let subject = desk.subject()?;
    let (facts, briefing) = gathered(&subject, repo, plan, next, None).await?;
    skills::tell(desk, briefing).await?;
    if let Some(n) = desk.facts().current.rewrite {
        let kept = desk.files.state_dir().join(rewrite_name(n));
        match std::fs::read_to_string(&kept) {
            Ok(prompt) => return Ok(prompt),
            // A person stopped the run before it was written.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return rewritten(desk, repo, plan, next).await;
            }
            Err(error) => return Err(io_trouble(format!("read {}", kept.display()))(error)),
        }
    }
    let conflict = !desk.facts().notes.conflict.is_empty();
    let kind = PromptKind::of_iteration(0, conflict);
    render(&subject, repo, kind, &facts).await
}

/// The prompt of a rewrite.
pub(super) async fn rewritten(
    desk: &Desk<'_>,
    repo: &Repo,
    plan: &Checklist,
    next: &Next,
) -> Result<String, Trouble> {
    let conflict = !desk.facts().notes.conflict.is_empty();
    let kind = PromptKind::of_iteration(desk.facts().ladder.rewrites, conflict);
    let subject = desk.subject()?;
    // Told when the agent is given it.
    let (facts, _) = gathered(&subject, repo, plan, next, None).await?;
    render(&subject, repo, kind, &facts).await
}

/// The prompt of a review of the commits from `since` to `head`.
pub(super) async fn review(
    desk: &Desk<'_>,
    repo: &Repo,
    plan: &Checklist,
    since: &str,
    head: &str,
) -> Result<String, Trouble> {
    let subject = desk.subject()?;
    let mut facts = without_skills(&subject, plan, &Next::Mend);
    // It was meant to do what its agent was told to do.
    let told = &desk.facts().current.record.task;
    (facts.mode, facts.task) = match (told, desk.facts().mode) {
        (Some(text), _) => (Mode::Task, Some(task(plan, text))),
        (None, Mode::Confirm) => (Mode::Confirm, None),
        (None, Mode::Task | Mode::Mend) => (Mode::Mend, None),
    };
    let spec = spec_at_start(&subject, repo).await?;
    let briefing = add_skills(&subject, repo, &mut facts, &spec).await?;
    skills::tell(desk, briefing).await?;
    facts.review_range = Some(format!("{since}..{head}"));
    facts.verdict_by_schema = agent_step::gives_verdict_by_schema(desk);
    render(&subject, repo, PromptKind::Review, &facts).await
}

/// The prompt of a further try in the session of the one before. `range`: the commits to review, of a review.
pub(super) async fn continuation(
    desk: &Desk<'_>,
    repo: &Repo,
    plan: &Checklist,
    next: &Next,
    range: Option<String>,
) -> Result<String, Trouble> {
    let subject = desk.subject()?;
    let mut facts = without_skills(&subject, plan, next);
    facts.verdict_by_schema = range.is_some() && agent_step::gives_verdict_by_schema(desk);
    facts.review_range = range;
    render(&subject, repo, PromptKind::Continue, &facts).await
}

/// The prompt of an analysis: what it is about is copied to `scratch`, the run's files among it to `run_dir`.
pub(super) async fn postmortem(
    desk: &Desk<'_>,
    repo: &Repo,
    scratch: &Path,
    run_dir: &Path,
    outcome: String,
) -> Result<String, Trouble> {
    let subject = desk.subject()?;
    // It tells of the plan's end what the facts know, and points at the copy.
    let mut facts = without_skills(&subject, &Checklist::parse(""), &Next::Mend);
    facts.workspace = scratch.display().to_string();
    facts.outcome = Some(outcome);
    facts.run_dir = Some(run_dir.display().to_string());
    render(&subject, repo, PromptKind::Postmortem, &facts).await
}

/// What the next iteration is for, as the machine decided and the plan at the tip says.
pub(super) fn selected(facts: &Facts, plan: &Checklist) -> Next {
    match facts.mode {
        Mode::Task => crate::core::plan::next(plan, facts.notes.open_work()),
        Mode::Mend => Next::Mend,
        Mode::Confirm => Next::Confirm,
    }
}

/// The prompt of the first implementation of a run that nobody has worked on, with the spec that it will start with.
pub(super) async fn first(
    subject: &Subject<'_>,
    repo: &Repo,
    plan: &Checklist,
    spec: &str,
) -> Result<String, Trouble> {
    let next = selected(subject.facts, plan);
    let kind = PromptKind::of_iteration(0, false);
    let (facts, _) = gathered(subject, repo, plan, &next, Some(spec)).await?;
    render(subject, repo, kind, &facts).await
}

async fn render(
    subject: &Subject<'_>,
    repo: &Repo,
    kind: PromptKind,
    facts: &PromptFacts,
) -> Result<String, Trouble> {
    let start = oid(&subject.worktree.start_commit)?;
    let mut overrides = Overrides::default();
    add_template(&mut overrides, repo, &start, subject.config, kind).await?;
    Ok(prompt::render(kind, &overrides, facts)?)
}

/// All that an implementation's prompt can say, and what is to be told of its skills. The spec is read at the run's start
/// where it is not handed in.
async fn gathered(
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

async fn spec_at_start(subject: &Subject<'_>, repo: &Repo) -> Result<String, Trouble> {
    if !subject.config.skills_enabled {
        return Ok(String::new());
    }
    let start = oid(&subject.worktree.start_commit)?;
    let bytes = git::show(repo, &start, Path::new(&subject.spec.spec_path)).await?;
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

async fn add_skills(
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

fn without_skills(subject: &Subject<'_>, plan: &Checklist, next: &Next) -> PromptFacts {
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

fn task(plan: &Checklist, text: &str) -> TaskFacts {
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
