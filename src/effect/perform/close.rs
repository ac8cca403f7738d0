//! Closes an ended run: the last row of the report, the summary, and for a completed run the removal of its worktree,
//! with positive proof that nothing is lost, or not at all.

use super::Done;
use super::desk::Desk;
use crate::core::machine::Kind;
use crate::core::run::{Event, Facts, MergeStrategy, State, Trouble};
use crate::effect::files::{Row, RowKind, Summary};
use crate::effect::git::{self, Removal};

/// Closes the run.
pub(super) async fn close(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let run = &desk.order.run;
    if run.state.kind() != Kind::Ended {
        return Ok(closed(false, None));
    }
    let now = desk.now();
    let facts = desk.facts();
    let reason = facts
        .failure
        .as_ref()
        .map_or(run.state.as_str(), |f| f.code.as_str());
    let row = Row {
        iteration: facts.iteration,
        duration_ms: facts
            .started_at
            .zip(facts.ended_at)
            .map_or(0, |(start, end)| end.ms_since(start)),
        message: reason,
        ..Row::default()
    };
    if let Ok(repo) = desk.repo().await {
        // A run that ends before it had a worktree has files, too.
        desk.hide_files(&repo).await;
    }
    desk.report(RowKind::RunEnd, &row, facts.plan);
    let mut artifacts = desk.files.register("report", "report.tsv", now).await;
    artifacts.extend(desk.files.register("log", "run.log", now).await);
    if desk.config.summary_json {
        let steps = desk.world.reader.steps(&run.id).await?;
        let summary = Summary::of(run, &steps, &desk.config, &desk.files);
        if let Ok(json) = serde_json::to_vec_pretty(&summary) {
            artifacts.extend(
                desk.files
                    .write("summary", "summary.json", &json, now)
                    .await,
            );
        }
    }
    let done = if run.state == State::Completed
        && desk.config.worktree_cleanup
        && facts.worktree.is_some()
    {
        let repo = desk.repo().await?;
        let why = match git::remove_worktree(&repo, &desk.git_worktree()?).await? {
            Removal::Removed { .. } => None,
            Removal::Unsaved { why } => Some(format!("{why}; {}", unproved(facts))),
            Removal::Kept { why } => Some(why),
        };
        if let Some(why) = &why {
            tracing::warn!(run = %run.id, why, "kept the worktree of a completed run");
            desk.files.log(&format!("kept the worktree: {why}"), now);
        }
        let path = &desk.worktree()?.path;
        closed(why.is_none(), why.map(|why| format!("{path}: {why}")))
    } else {
        closed(false, None)
    };
    Ok(done.with_artifacts(artifacts))
}

/// What files that no commit has mean for the result of a completed run.
fn unproved(facts: &Facts) -> String {
    let lacks = match facts.terms.merge_strategy {
        MergeStrategy::Squash | MergeStrategy::Merge => "what was merged has nothing of that",
        MergeStrategy::None => "the run's branch has nothing of that",
    };
    match facts.terms.has_checks {
        true => format!("{lacks}, though the checks may have used it"),
        false => lacks.to_owned(),
    }
}

/// The worktree is gone, or stays, for a reason or because nobody wanted it to go.
fn closed(worktree_removed: bool, why_kept: Option<String>) -> Done {
    let outcome = match (worktree_removed, &why_kept) {
        (true, _) => "removed the worktree".to_owned(),
        (false, Some(why)) => format!("kept the worktree: {why}"),
        (false, None) => "kept the worktree".to_owned(),
    };
    let note = why_kept;
    Done::event(
        Event::Closed {
            worktree_removed,
            note,
        },
        outcome,
    )
}
