//! Moves the target to the proved tree of a completed run, because a person asks for it: only where the target becomes
//! exactly that tree. A merge that was made before a crash is found again in the target by the run and the tree that its
//! commit names. An intent is stored only where the target is checked out, so that what a fast-forward leaves that breaks
//! off can be taken back.

use super::super::merge::{names, plan_for};
use super::super::trouble::trouble;
use super::{Performed, Snag, Table, blocked};
use crate::core::handover::Event;
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::git::{self, Executed, Intent, Step, Strategy};
use crate::store::MergeIntent;

/// The generation of no step: a later merge step of the run's own looks after what this merge left, and does not settle it.
const NO_STEP: u64 = 0;

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
            let (drivers, now) = (&worktree.drivers, (table.world.now)().0);
            let before = stored(table).await?;
            let intent = git::ready(&repo, intent, before.as_ref(), drivers, now).await?;
            if intent.is_in_a_checkout() {
                store(table, &intent).await?;
            }
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

/// What was stored last of a merge of this run, by whomever. One that cannot be read says nothing of what was left.
async fn stored(table: &Table<'_>) -> Result<Option<Intent>, Trouble> {
    let stored = table.world.reader.load_intent(&table.run.id).await?;
    Ok(stored.and_then(|it| serde_json::from_str(&it.intent).ok()))
}

async fn store(table: &Table<'_>, intent: &Intent) -> Result<(), Trouble> {
    let json = serde_json::to_string(intent)
        .map_err(|error| trouble(TroubleKind::Permanent, "internal", error.to_string()))?;
    let intent = MergeIntent {
        run_id: table.run.id.clone(),
        generation: NO_STEP,
        intent: json,
    };
    Ok(table.world.writer.save_intent(intent).await?)
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
