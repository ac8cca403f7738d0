//! Moves the merge target to the verified tree. The intent is stored before the ref moves, so that after a crash the ref
//! itself says whether it has; a target that has moved on is merged into the run branch first, and the run verifies again.

use super::Done;
use super::desk::{Desk, oid};
use super::step_news;
use super::trouble::trouble;
use crate::core::run::{Event, MergeStrategy, Trouble, TroubleKind, Worktree};
use crate::core::step::Event as StepEvent;
use crate::core::words::several;
use crate::effect::git::{
    self, CatchUp, CatchUpWant, Executed, Intent, MergeWant, Repo, Settled, Step, Strategy, Tip,
};
use crate::store::{MergeIntent, StoredRun};

/// Merges, catches up, or says what is in the way.
pub(super) async fn merge(desk: &Desk<'_>) -> Result<Done, Trouble> {
    step_news::begun(desk).await?;
    let repo = desk.repo().await?;
    let worktree = desk.git_worktree()?;
    let generation = desk.generation();
    let stored = stored_intent(desk).await?;
    if let Some((_, intent)) = stored.as_ref().filter(|(of, _)| *of == generation) {
        match git::settle(&repo, intent).await? {
            Settled::Merged { commit } => return Ok(merged(desk, commit.as_str())),
            Settled::Pending | Settled::TargetMoved { .. } => {}
        }
    }
    let tip = git::head(&repo, &worktree).await?;
    if Some(tip.tree.as_str()) != desk.facts().verified_tree.as_deref() {
        return Ok(told(
            desk,
            Event::BranchMoved { generation },
            "the branch moved",
        ));
    }
    match plan(desk, &repo, &worktree, &tip).await? {
        Step::Ready(intent) => {
            let (drivers, now) = (&worktree.drivers, desk.now().0);
            // Of whichever try: each has a generation of its own, and any of them may have been killed.
            let before = stored.as_ref().map(|(_, intent)| intent);
            let intent = git::ready(&repo, intent, before, drivers, now).await?;
            store_intent(desk, &intent).await?;
            match git::execute(&repo, &intent, &worktree.drivers).await? {
                Executed::Merged { commit } => Ok(merged(desk, commit.as_str())),
                Executed::Held { files, message } => Ok(held(desk, &files, message)),
                Executed::TargetMoved { .. } => catch_up(desk, &repo, &worktree, &tip).await,
            }
        }
        Step::Merged { commit } => Ok(merged(desk, commit.as_str())),
        Step::TargetMoved { .. } => catch_up(desk, &repo, &worktree, &tip).await,
        Step::RunBranchMoved { .. } => Ok(told(
            desk,
            Event::BranchMoved { generation },
            "the branch moved",
        )),
        Step::Held { files, message } => Ok(held(desk, &files, message)),
    }
}

async fn plan(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    tip: &Tip,
) -> Result<Step, Trouble> {
    let strategy = match desk.facts().terms.merge_strategy {
        MergeStrategy::Squash => Strategy::Squash,
        MergeStrategy::Merge => Strategy::Merge,
        MergeStrategy::None => {
            return Err(trouble(
                TroubleKind::Permanent,
                "internal",
                "a run with the merge strategy none was told to merge",
            ));
        }
    };
    plan_for(
        &desk.order.run,
        desk.worktree()?,
        repo,
        worktree,
        tip,
        strategy,
    )
    .await
}

/// Plans how the target of a run moves to its verified tip; of a person's merge of an ended run, too.
pub(super) async fn plan_for(
    run: &StoredRun,
    recorded: &Worktree,
    repo: &Repo,
    worktree: &git::Worktree,
    tip: &Tip,
    strategy: Strategy,
) -> Result<Step, Trouble> {
    let message = message(run);
    let mut trailers = vec![("Loopd-Branch", recorded.run_branch.as_str())];
    if !run.facts.terms.has_checks {
        trailers.push(("Loopd-Unverified", "no verify_cmds"));
    }
    let base = oid(&recorded.base_commit)?;
    let want = MergeWant {
        run_id: &run.id.0,
        run_branch: &recorded.run_branch,
        verified: tip,
        target_branch: &recorded.merge_target_branch,
        base_commit: &base,
        strategy,
        message: &message,
        trailers: &trailers,
        drivers: &worktree.drivers,
        lenders: worktree.lenders.as_deref(),
    };
    Ok(git::plan_merge(repo, &want).await?)
}

fn message(run: &StoredRun) -> String {
    let (spec, facts) = (&run.spec, &run.facts);
    let unverified = if facts.terms.has_checks {
        ""
    } else {
        " (unverified)"
    };
    format!(
        "{}{unverified}\n\nSpec {}, plan {}: {} of {} tasks done in {}.",
        run.name(),
        spec.spec_path,
        spec.plan_path,
        facts.plan.done,
        facts.plan.total,
        several(facts.iteration, "iteration", "iterations")
    )
}

async fn catch_up(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    tip: &Tip,
) -> Result<Done, Trouble> {
    let generation = desk.generation();
    let want = CatchUpWant {
        worktree,
        from: &tip.commit,
        target_branch: &desk.worktree()?.merge_target_branch,
    };
    Ok(match git::catch_up(repo, &want).await? {
        CatchUp::Done(caught) => told(
            desk,
            Event::TargetMoved {
                generation,
                head: caught.commit.to_string(),
                tree: caught.tree.to_string(),
            },
            "caught up",
        ),
        CatchUp::Needless => {
            return Err(trouble(
                TroubleKind::Transient,
                "target_busy",
                "the merge target moved and moved back while it was looked at",
            ));
        }
        CatchUp::Conflict { files } => told(
            desk,
            Event::MergeConflict {
                generation,
                files: names(&files),
            },
            "conflict",
        ),
        CatchUp::RunBranchMoved { .. } => {
            told(desk, Event::BranchMoved { generation }, "the branch moved")
        }
        CatchUp::Held { files, message } => held(desk, &files, message),
    })
}

/// The intent that the run stored last, with its generation. One of an earlier generation that cannot be read settles
/// nothing any more.
async fn stored_intent(desk: &Desk<'_>) -> Result<Option<(u64, Intent)>, Trouble> {
    let Some(stored) = desk.world.reader.load_intent(&desk.order.run.id).await? else {
        return Ok(None);
    };
    match serde_json::from_str(&stored.intent) {
        Ok(intent) => Ok(Some((stored.generation, intent))),
        Err(_) if stored.generation != desk.generation() => Ok(None),
        Err(error) => Err(trouble(
            TroubleKind::NeedsPerson,
            "intent_unreadable",
            format!("failed to read the stored intent of the merge: {error}"),
        )),
    }
}

async fn store_intent(desk: &Desk<'_>, intent: &Intent) -> Result<(), Trouble> {
    let json = serde_json::to_string(intent)
        .map_err(|error| trouble(TroubleKind::Permanent, "internal", error.to_string()))?;
    desk.world
        .writer
        .save_intent(MergeIntent {
            run_id: desk.order.run.id.clone(),
            generation: desk.generation(),
            intent: json,
        })
        .await?;
    Ok(())
}

fn merged(desk: &Desk<'_>, commit: &str) -> Done {
    told(
        desk,
        Event::Merged {
            generation: desk.generation(),
            commit: commit.to_owned(),
        },
        "merged",
    )
}

fn held(desk: &Desk<'_>, files: &[std::path::PathBuf], message: String) -> Done {
    told(
        desk,
        Event::TargetHeld {
            generation: desk.generation(),
            files: names(files),
            message,
        },
        "held",
    )
}

fn told(desk: &Desk<'_>, event: Event, outcome: &str) -> Done {
    let step = match &event {
        Event::Merged { .. } => StepEvent::Succeeded { exit_code: None },
        other => StepEvent::Failed {
            exit_code: None,
            message: other.name().as_str().to_owned(),
        },
    };
    Done::event(event, outcome).with_step(desk.step_report(step))
}

pub(super) fn names(paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|p| p.display().to_string()).collect()
}
