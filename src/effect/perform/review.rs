//! Lets the agent review what was implemented. Approval turns `[x]` into `[R]`, a rejection reopens the boxes that the
//! iteration ticked; both in a marked commit of loopd's, made once however often this is repeated.

use tokio_util::sync::CancellationToken;

use super::Done;
use super::agent_step::{self, Calling, Heard, Opening};
use super::desk::{Desk, oid};
use super::implement::{commit_plan, keep_leftovers_once, worked_between};
use super::{prompting, session, step_news};
use crate::agent::{self, Report, Role};
use crate::core::plan::{self, Checklist, Next};
use crate::core::run::{Event, ResultClass, ReviewReport, Trouble, Verdict};
use crate::effect::files::{Row, RowKind};
use crate::effect::git::{self, Repo};
use crate::store::Artifact;

/// Bytes of the diff that are kept in `review-diff.json`.
const DIFF_BYTES: usize = 4 << 20;

/// One review.
pub(super) async fn review(desk: &Desk<'_>, stop: &CancellationToken) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    let called = agent_step::call(desk, Role::Review, stop, async |resumed| {
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
    let tip = git::head(repo, &desk.git_worktree()?).await?;
    let (_, checklist) = desk.plan_at(repo, &tip.commit).await?;
    let since = desk.iteration_start()?;
    let prompt = if resumed {
        let range = format!("{since}..{}", tip.commit);
        prompting::continuation(desk, repo, &checklist, &Next::Mend, Some(range)).await?
    } else {
        prompting::review(desk, repo, &checklist, since.as_str(), tip.commit.as_str()).await?
    };
    let row = Row {
        iteration: desk.facts().iteration,
        ..Row::default()
    };
    desk.report(RowKind::ReviewStart, &row, desk.facts().plan);
    let opening = Opening {
        head: tip.commit.to_string(),
        task: None,
    };
    Ok((opening, prompt))
}

async fn settle(desk: &Desk<'_>, repo: &Repo, heard: Heard) -> Result<Done, Trouble> {
    let worktree = desk.git_worktree()?;
    // A reviewer should not write, but what it wrote must not be lost, nor be taken for reviewed: the tree differs then.
    let _ = keep_leftovers_once(desk, repo, &worktree).await?;
    let verdict = verdict(&heard.report);
    let tip = git::head(repo, &worktree).await?;
    let meddled = worked_between(repo, &oid(&heard.begin.opening.head)?, &tip.commit).await? > 0;
    let verdict = match verdict {
        Some(v) if v.approved && meddled => Some(Verdict {
            approved: false,
            findings: "the reviewer changed files while it approved; its changes have to be reviewed themselves".to_owned(),
        }),
        other => other,
    };
    if let Some(verdict) = &verdict {
        mark(desk, repo, &worktree, verdict.approved).await?;
    }
    let tip = git::head(repo, &worktree).await?;
    let (_, checklist) = desk.plan_at(repo, &tip.commit).await?;
    let report = &heard.report;
    let event = Event::ReviewDone {
        generation: desk.generation(),
        report: ReviewReport {
            result: report.class.clone(),
            message: match report.message.as_str() {
                "" => {
                    "no verdict line (APPROVED or CHANGES REQUESTED) in the last message".to_owned()
                }
                said => said.to_owned(),
            },
            exit_code: heard.record.exit_code,
            verdict: verdict.clone(),
            head: tip.commit.to_string(),
            tree: tip.tree.to_string(),
            plan: checklist.reading(),
            usage: report.usage,
            usage_of_session: report.usage_of_session,
            session: heard.session.clone(),
        },
    };
    let row = Row {
        iteration: desk.facts().iteration,
        duration_ms: heard.record.duration_ms,
        exit_code: heard.record.exit_code,
        output_bytes: heard.record.output_bytes,
        output_lines: heard.record.output_lines,
        output_path: Some(&heard.log_path),
        message: match &verdict {
            Some(v) if v.approved => "approved",
            Some(_) => "changes requested",
            None => "no verdict",
        },
    };
    desk.report(RowKind::ReviewEnd, &row, checklist.reading());
    let mut artifacts = heard.artifacts;
    artifacts.extend(diff(desk, repo, &heard.begin.opening.head).await?);
    let mut step = desk.step_report(agent_step::step_event(desk, &event, report, &heard.record));
    if let Some(step) = &mut step {
        step.output_path = Some(heard.log_path.display().to_string());
    }
    Ok(Done::event(event, "reviewed")
        .with_step(step)
        .with_artifacts(artifacts))
}

/// The verdict of a reviewer that ended in good order. What one said that crashed or was stopped is none: nobody knows
/// what it would have said next.
fn verdict(report: &Report) -> Option<Verdict> {
    match report.class {
        ResultClass::Done | ResultClass::MaxTurns | ResultClass::Budget => {
            agent::verdict::parse(&report.final_message).map(|v| Verdict {
                approved: v.approved,
                findings: v.findings,
            })
        }
        ResultClass::Limited { .. }
        | ResultClass::Auth
        | ResultClass::Refused
        | ResultClass::Crashed
        | ResultClass::TimedOut
        | ResultClass::Canceled
        | ResultClass::SessionGone => None,
    }
}

/// `review-diff.json`: what the reviewer was asked about.
async fn diff(desk: &Desk<'_>, repo: &Repo, head: &str) -> Result<Vec<Artifact>, Trouble> {
    let (from, to) = (desk.iteration_start()?, oid(head)?);
    let changed = git::changed_paths(repo, &from, &to).await?;
    let files: Vec<String> = changed.iter().map(|p| p.display().to_string()).collect();
    let diff = git::diff(repo, &from, &to, DIFF_BYTES).await?;
    let json = serde_json::json!({
        "iteration": desk.facts().iteration,
        "from": from.as_str(),
        "to": to.as_str(),
        "files": files,
        "diff": diff.text,
        "cut": diff.cut,
    });
    let text = format!("{json:#}\n");
    Ok(desk
        .files
        .write("diff", "review-diff.json", text.as_bytes(), desk.now())
        .await)
}

async fn mark(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    approved: bool,
) -> Result<(), Trouble> {
    let tip = git::head(repo, worktree).await?;
    let (text, _) = desk.plan_at(repo, &tip.commit).await?;
    let (edited, message) = if approved {
        (plan::approve(&text), "Mark the reviewed tasks")
    } else {
        let before: Checklist = desk.plan_at(repo, &desk.iteration_start()?).await?.1;
        (
            plan::reopen(&before, &text),
            "Reopen the tasks that were sent back",
        )
    };
    if edited.tasks.is_empty() {
        return Ok(());
    }
    commit_plan(desk, repo, worktree, &edited.text, message).await
}
