//! Throws a run away: what is left in its worktrees is committed, and they are removed with positive proof that nothing
//! is lost, or not at all. The run branch stays until the clean-up finds it old enough; commits that no branch has get a
//! rescue ref.

use super::super::desk::read_record;
use super::{Performed, Snag, Table, blocked};
use crate::core::handover::Event;
use crate::core::run;
use crate::effect::git::{self, Leftovers, Removal, Repo};

/// Scraps the run, or says what keeps its worktree.
pub(super) async fn scrap(table: &Table<'_>) -> Performed {
    let facts = &table.run.facts;
    if facts.step.is_some() {
        let why = "a step of the run is not yet known to be gone";
        return Err(blocked("step_alive", why).hint("ask again in a moment"));
    }
    let done = Event::ScrapDone {
        generation: table.generation,
    };
    if facts.worktree.is_none() && facts.abandoned.is_empty() {
        return Ok((done, None));
    }
    let repo = table.repo().await?;
    for left in facts.abandoned.iter().chain(&facts.worktree) {
        remove(table, &repo, &read_record(left)?).await?;
    }
    table.log("scrapped; the run branch stays until the clean-up");
    let closed = run::Event::Closed {
        worktree_removed: facts.worktree.is_some(),
        note: None,
    };
    let gone_already = facts.worktree_removed || facts.worktree.is_none();
    Ok((done, (!gone_already).then_some(closed)))
}

async fn remove(table: &Table<'_>, repo: &Repo, worktree: &git::Worktree) -> Result<(), Snag> {
    if worktree.path.is_dir() {
        save(table, repo, worktree).await;
    }
    match git::remove_worktree(repo, worktree).await? {
        Removal::Removed { rescue: None } => Ok(()),
        Removal::Removed { rescue: Some(name) } => {
            table.log(&format!("kept commits that no branch has as {name}"));
            Ok(())
        }
        Removal::Unsaved { why } | Removal::Kept { why } => Err(kept(worktree, &why)),
    }
}

/// What an agent left uncommitted goes into the run branch, so that the worktree can go. Where that cannot be done (it is
/// not on its branch, or git has lost track of it), the removal decides by what it finds.
async fn save(table: &Table<'_>, repo: &Repo, worktree: &git::Worktree) {
    let message = "Keep what was left when the run was scrapped";
    match git::commit_leftovers(repo, worktree, message, &[], &[]).await {
        Ok(Leftovers::Nothing) => {}
        Ok(Leftovers::Committed(commit)) => {
            table.log(&format!(
                "committed what was left in the worktree as {commit}"
            ));
        }
        Ok(Leftovers::Held { why }) => table.log(&format!("committed nothing: {why}")),
        Err(error) => table.log(&format!("failed to commit what was left: {error}")),
    }
}

fn kept(worktree: &git::Worktree, why: &str) -> Snag {
    let message = format!("the worktree {} is kept: {why}", worktree.path.display());
    blocked("worktree_kept", message)
        .hint("save or remove what is named, then ask again; or remove the directory by hand")
}
