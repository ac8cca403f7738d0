//! Lets the agent implement: selects the task, tells the agent, and looks at what it left behind. Leftovers become a
//! marked commit, an `[R]` that the agent gave itself becomes the `[x]` that it may give.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::Done;
use super::agent_step::{self, Calling, Heard, Opening};
use super::desk::Desk;
use super::neighbours;
use super::note::{read_json, write_json};
use super::tampering;
use super::trouble::trouble;
use super::{products, prompting, session, step_news};
use crate::agent::{Report, Role};
use crate::core::plan::{self, Next, TOKEN};
use crate::core::run::{AgentReport, Event, Mode, Trouble, TroubleKind};
use crate::core::words::several;
use crate::effect::files::{Row, RowKind};
use crate::effect::git::{self, FileCommit, Leftovers, Repo, Tip};

/// Commits of one step that are looked at; more of them change no decision.
const COMMITS_LOOKED_AT: usize = 1000;

/// One implementation.
pub(super) async fn implement(desk: &Desk<'_>, stop: &CancellationToken) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    let called = agent_step::call(desk, Role::Implement, stop, async |resumed| {
        begin(desk, &repo, resumed).await
    })
    .await?;
    match called {
        Calling::Heard(heard) => settle(desk, &repo, *heard).await,
        Calling::Lost => Ok(step_news::lost(desk, session::left(desk).await)),
        Calling::LetGo => Ok(step_news::let_go(desk).await),
    }
}

async fn begin(desk: &Desk<'_>, repo: &Repo, resumed: bool) -> Result<(Opening, String), Trouble> {
    let worktree = desk.git_worktree()?;
    // What a stopped or lost agent left uncommitted is work, too: it is kept before anybody goes on.
    keep_leftovers(desk, repo, &worktree).await?;
    neighbours::note(desk, repo).await?;
    let tip = git::head(repo, &worktree).await?;
    let (_, checklist) = desk.plan_at(repo, &tip.commit).await?;
    let facts = desk.facts();
    let selected = prompting::selected(facts, &checklist);
    let task = match &selected {
        Next::Task { text, .. } => Some(text.clone()),
        Next::Mend | Next::Confirm | Next::Blocked { .. } => None,
    };
    let prompt = if resumed {
        prompting::continuation(desk, repo, &checklist, &selected, None).await?
    } else {
        prompting::implementation(desk, repo, &checklist, &selected).await?
    };
    if facts.iteration == 1 {
        desk.report(RowKind::RunStart, &Row::default(), facts.plan);
    }
    let row = Row {
        iteration: facts.iteration,
        message: task.as_deref().unwrap_or(match facts.mode {
            Mode::Task | Mode::Mend => "mend",
            Mode::Confirm => "confirm",
        }),
        ..Row::default()
    };
    desk.report(RowKind::IterationStart, &row, facts.plan);
    let opening = Opening {
        head: tip.commit.to_string(),
        task,
    };
    Ok((opening, prompt))
}

async fn settle(desk: &Desk<'_>, repo: &Repo, heard: Heard) -> Result<Done, Trouble> {
    let worktree = desk.git_worktree()?;
    let kept = keep_leftovers_once(desk, repo, &worktree).await?;
    let tip = own_marks(desk, repo, &worktree).await?;
    let commits = worked_between(repo, &desk.iteration_start()?, &tip.commit).await?;
    let (_, checklist) = desk.plan_at(repo, &tip.commit).await?;
    let tampered = match tampering::seen(desk, repo, &tip.commit, &checklist).await? {
        None => neighbours::moved(desk, repo).await?,
        seen => seen,
    };
    let claimed_complete = plan::claims(
        &heard.report.final_message,
        desk.config.completion_mode,
        TOKEN,
    );
    let reading = checklist.reading();
    let report = &heard.report;
    let denied = denied(report);
    let remarks = remarks(&heard, &denied, commits, kept);
    let event = Event::AgentDone {
        generation: desk.generation(),
        report: AgentReport {
            result: report.class.clone(),
            message: what_happened(report, &remarks),
            exit_code: heard.record.exit_code,
            commits: u32::try_from(commits).unwrap_or(u32::MAX),
            head: tip.commit.to_string(),
            tree: tip.tree.to_string(),
            plan: reading,
            tampered,
            claimed_complete,
            task: heard.begin.opening.task.clone(),
            denied,
            usage: report.usage,
            usage_of_session: report.usage_of_session,
            session: heard.session.clone(),
        },
    };
    let made = several(commits, "commit", "commits");
    let message = format!("{}; {made}{remarks}", report.class.as_str());
    let row = Row {
        iteration: desk.facts().iteration,
        duration_ms: heard.record.duration_ms,
        exit_code: heard.record.exit_code,
        output_bytes: heard.record.output_bytes,
        output_lines: heard.record.output_lines,
        output_path: Some(&heard.log_path),
        message: &message,
    };
    desk.report(RowKind::IterationEnd, &row, reading);
    if claimed_complete {
        desk.report(RowKind::CompleteDetected, &row, reading);
    }
    let mut step = desk.step_report(agent_step::step_event(desk, &event, report, &heard.record));
    if let Some(step) = &mut step {
        step.output_path = Some(heard.log_path.display().to_string());
    }
    Ok(Done::event(event, report.class.as_str())
        .with_step(step)
        .with_artifacts(heard.artifacts))
}

/// Everything that is not committed becomes a marked commit, but what the checks left. Whether there was something.
pub(super) async fn keep_leftovers(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
) -> Result<bool, Trouble> {
    let message = format!(
        "Keep what iteration {} left uncommitted",
        desk.facts().iteration
    );
    let except = products::known(desk)?;
    match git::commit_leftovers(repo, worktree, &message, &[], &except).await? {
        Leftovers::Nothing => Ok(false),
        Leftovers::Committed(_) => Ok(true),
        Leftovers::Held { why } => Err(trouble(TroubleKind::NeedsPerson, "worktree_held", why)),
    }
}

/// The same when a step has ended, and once for it: from then on only loopd writes in the worktree. A death in the middle
/// of that must not make its half a commit look like somebody's work.
pub(super) async fn keep_leftovers_once(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
) -> Result<bool, Trouble> {
    let record = desk.step_dir().join("kept.json");
    if record.exists() {
        return read_json(&record);
    }
    let kept = keep_leftovers(desk, repo, worktree).await?;
    write_json(&record, &kept)?;
    Ok(kept)
}

/// Only loopd reviews: marks that the agent may not give are taken back in a marked commit.
async fn own_marks(desk: &Desk<'_>, repo: &Repo, worktree: &git::Worktree) -> Result<Tip, Trouble> {
    let tip = git::head(repo, worktree).await?;
    let (_, before) = desk.plan_at(repo, &desk.iteration_start()?).await?;
    let (text, _) = desk.plan_at(repo, &tip.commit).await?;
    let disowned = plan::disown(&before, &text);
    if disowned.tasks.is_empty() {
        return Ok(tip);
    }
    commit_plan(
        desk,
        repo,
        worktree,
        &disowned.text,
        "Take back reviewed marks that no reviewer gave",
    )
    .await?;
    Ok(git::head(repo, worktree).await?)
}

/// A commit by which loopd moved boxes: nobody's work.
fn is_plan_commit(commit: &git::Commit) -> bool {
    commit.trailer("Loopd-Kind") == Some("plan")
}

/// Whether anybody but loopd has committed between the two.
pub(super) async fn worked_between(
    repo: &Repo,
    from: &git::Oid,
    to: &git::Oid,
) -> Result<usize, Trouble> {
    let commits = git::commits_between(repo, from, to, COMMITS_LOOKED_AT).await?;
    Ok(commits
        .iter()
        .filter(|commit| !is_plan_commit(commit))
        .count())
}

/// loopd's own commit of the plan.
pub(super) async fn commit_plan(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    text: &str,
    message: &str,
) -> Result<(), Trouble> {
    let path = Path::new(&desk.order.run.spec.plan_path);
    match git::commit_file(repo, worktree, path, text.as_bytes(), message).await? {
        FileCommit::Committed(_) | FileCommit::Unchanged => Ok(()),
        FileCommit::Held { why } => Err(trouble(TroubleKind::NeedsPerson, "worktree_held", why)),
    }
}

/// The cause that a person reads when nothing came of the call.
fn what_happened(report: &Report, remarks: &str) -> String {
    let said = match report.message.as_str() {
        "" => report.class.as_str(),
        message => message,
    };
    format!("{said}{remarks}")
}

/// What it wanted and did not get: tools, and answers, for nobody is there to give them.
fn denied(report: &Report) -> Vec<String> {
    let answers = report.questions.iter();
    let answers = answers.map(|question| format!("an answer to: {question}"));
    report.denied.iter().cloned().chain(answers).collect()
}

/// What else was seen of the call, whatever it came to: what may have kept the agent from its work, and what it did not
/// do itself.
fn remarks(heard: &Heard, denied: &[String], commits: usize, kept: bool) -> String {
    let report = &heard.report;
    let mut said = String::new();
    if let Some(running) = heard.record.was_running() {
        said.push_str(&format!("; {running}"));
    }
    if commits == 0 && !denied.is_empty() {
        said.push_str(&format!("; it was denied: {}", denied.join(", ")));
    } else if let Some(answer) = &report.tool_failed
        && (commits == 0 || kept)
    {
        said.push_str(&format!("; its last tool call failed: {answer}"));
    }
    if kept {
        said.push_str("; what it left uncommitted is kept in a marked commit");
    }
    if !heard.left_behind.is_empty() {
        said.push_str(&format!(
            "; left behind and ended: {}",
            heard.left_behind.join(", ")
        ));
    }
    said
}
