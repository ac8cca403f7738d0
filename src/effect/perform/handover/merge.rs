//! Moves the target to the proved tree of a completed run, because a person asks for it: only where the target becomes
//! exactly that tree. There is no stored intent: a merge that was made before a crash is found again in the target by the
//! run and the tree that its commit names.

use super::super::merge::{names, plan_for};
use super::{Performed, Snag, Table, blocked};
use crate::core::handover::Event;
use crate::effect::git::{self, Executed, Step, Strategy};

/// Merges as one commit, or says what is in the way.
pub(super) async fn merge(table: &Table<'_>) -> Performed {
    let (recorded, worktree) = table.worktree()?;
    let repo = table.repo().await?;
    let tip = table.tip(&repo, recorded, &worktree).await?;
    if Some(tip.tree.as_str()) != table.run.facts.verified_tree.as_deref() {
        return Err(branch_moved(&recorded.run_branch));
    }
    let target = &recorded.merge_target_branch;
    let plan = plan_for(
        table.run,
        recorded,
        &repo,
        &worktree,
        &tip,
        Strategy::Squash,
    );
    let commit = match plan.await? {
        Step::Merged { commit } => commit,
        Step::Ready(intent) => {
            // So that what a fast-forward leaves that breaks off can be taken back.
            let (drivers, now) = (&worktree.drivers, (table.world.now)().0);
            let intent = git::ready(&repo, intent, None, drivers, now).await?;
            match git::execute(&repo, &intent, drivers).await? {
                Executed::Merged { commit } => commit,
                Executed::TargetMoved { .. } => return Err(target_moved(table, target)),
                Executed::Held { files, message } => {
                    return Err(held(target, &names(&files), &message));
                }
            }
        }
        Step::TargetMoved { .. } => return Err(target_moved(table, target)),
        Step::RunBranchMoved { .. } => return Err(branch_moved(&recorded.run_branch)),
        Step::Held { files, message } => return Err(held(target, &names(&files), &message)),
    };
    table.log(&format!("merged into {target} as {commit}"));
    let event = Event::MergeDone {
        generation: table.generation,
        commit: commit.to_string(),
    };
    Ok((event, None))
}

fn target_moved(table: &Table<'_>, target: &str) -> Snag {
    let message = format!(
        "{target} has commits that the run has not, so that it would become something else than what was verified"
    );
    blocked("target_moved", message).hint(format!(
        "`loopctl retry {} --merge-strategy squash` brings them together, runs the checks again, and merges",
        table.run.id
    ))
}

fn branch_moved(branch: &str) -> Snag {
    let message = format!("{branch} is not where it was verified any more");
    blocked("branch_moved", message).hint(
        "`loopctl retry RUN --merge-strategy squash` runs the checks on what is there now, and merges",
    )
}

fn held(target: &str, files: &[String], message: &str) -> Snag {
    let files = if files.is_empty() {
        String::new()
    } else {
        format!(" ({})", files.join(", "))
    };
    blocked(
        "target_held",
        format!("{target} cannot be moved: {message}{files}"),
    )
    .hint("put right what is in the way, then ask again")
}
