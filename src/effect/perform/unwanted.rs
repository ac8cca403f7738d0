//! Removes the worktrees of an ended run that are wanted no more, each with positive proof that nothing is lost, or not at
//! all. The lane of the run is what keeps an agent out meanwhile: whatever starts it anew waits behind this effect.

use std::path::Path;

use super::Done;
use super::desk::{Desk, read_record};
use crate::core::machine::Kind;
use crate::core::run::{Event, Removal, Trouble};
use crate::effect::git::{self, Repo};

/// Removes them; tells of each what became of it.
pub(super) async fn remove(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let run = &desk.order.run;
    let wanted = &run.facts.unwanted;
    if run.state.kind() != Kind::Ended || run.facts.step.is_some() {
        let why = "the run has been started anew, or a step of it is not known to be gone";
        return Ok(told(wanted.iter().map(|path| kept(path, why)).collect()));
    }
    let repo = desk.repo().await?;
    let mut removals = Vec::new();
    for path in wanted {
        removals.push(remove_one(desk, &repo, path).await);
    }
    Ok(told(removals))
}

/// What is told when it could not even be looked: everything stays.
pub(super) fn none_of(wanted: &[String], why: &str) -> Done {
    told(wanted.iter().map(|path| kept(path, why)).collect())
}

async fn remove_one(desk: &Desk<'_>, repo: &Repo, path: &str) -> Removal {
    let worktree = match worktree_at(desk, repo, path).await {
        Ok(Some(worktree)) => worktree,
        Ok(None) => {
            return kept(
                path,
                "it is not known as a worktree of this run; look at it and remove it by hand",
            );
        }
        Err(trouble) => return kept(path, &trouble.message),
    };
    remove_proved(repo, path, &worktree).await
}

/// Removes a worktree, if the proof holds.
pub(super) async fn remove_proved(repo: &Repo, path: &str, worktree: &git::Worktree) -> Removal {
    match git::remove_worktree(repo, worktree).await {
        Ok(git::Removal::Removed { rescue: None }) => gone(path, "removed"),
        Ok(git::Removal::Removed { rescue: Some(name) }) => gone(
            path,
            &format!("removed; commits that no branch has are kept by {name}"),
        ),
        Ok(git::Removal::Unsaved { why } | git::Removal::Kept { why }) => kept(path, &why),
        Err(error) => kept(path, &format!("failed to {error}")),
    }
}

/// The git room's record of it: the run's own, or one put together again where the run was never told of the worktree.
async fn worktree_at(
    desk: &Desk<'_>,
    repo: &Repo,
    path: &str,
) -> Result<Option<git::Worktree>, Trouble> {
    let facts = desk.facts();
    let known = facts
        .worktrees()
        .chain(&facts.worktree)
        .chain(&facts.emptied);
    if let Some(known) = known.into_iter().find(|known| known.path == path) {
        return read_record(known).map(Some);
    }
    Ok(git::unrecorded(repo, &desk.order.run.id.0, Path::new(path)).await?)
}

/// It is not there any more.
pub(super) fn gone(path: &str, note: &str) -> Removal {
    Removal {
        path: path.to_owned(),
        removed: true,
        note: note.to_owned(),
    }
}

/// It stays.
pub(super) fn kept(path: &str, why: &str) -> Removal {
    Removal {
        path: path.to_owned(),
        removed: false,
        note: why.to_owned(),
    }
}

fn told(removals: Vec<Removal>) -> Done {
    let line = |it: &Removal| match it.removed {
        true => format!("{}: {}", it.path, it.note),
        false => format!("kept {}: {}", it.path, it.note),
    };
    let outcome: Vec<String> = removals.iter().map(line).collect();
    Done::event(Event::WorktreesRemoved { removals }, outcome.join("; "))
}
