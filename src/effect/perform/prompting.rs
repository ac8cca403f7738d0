//! Prompts of a run: one function for each, from what `prompt_facts` gathers to the text. The words are the templates' (a
//! workspace's own are read at the commit that the run started from).

use std::path::Path;

use super::agent_step;
use super::desk::{Desk, oid};
use super::prompt_facts::{Subject, add_skills, gathered, spec_at_start, task, without_skills};
use super::rewrite::rewrite_name;
use super::skills;
use super::template::add_template;
use super::trouble::io_trouble;
use crate::core::plan::{Checklist, Next};
use crate::core::run::{Facts, Mode, Trouble};
use crate::effect::git::Repo;
use crate::prompt::{self, Overrides, PromptFacts, PromptKind};

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
