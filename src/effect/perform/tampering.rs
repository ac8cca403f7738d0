//! Looks for what an agent must not have done: a task of the base plan gone or reworded, a protected path changed, the
//! history that the run began with rewritten. What was seen is told in words; holding the run is the machine's.

use globset::{Glob, GlobSetBuilder};

use super::desk::{Desk, oid};
use super::trouble::trouble;
use crate::core::plan::{self, Checklist};
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::git::{self, Oid, Repo};

/// What was tampered with between the start of the run and `head`; `None` when nothing was.
pub(super) async fn seen(
    desk: &Desk<'_>,
    repo: &Repo,
    head: &Oid,
    now: &Checklist,
) -> Result<Option<String>, Trouble> {
    let start = oid(&desk.worktree()?.start_commit)?;
    if !git::is_ancestor(repo, &start, head).await? {
        return Ok(Some(format!(
            "the run branch no longer contains the commit that it started from ({start})"
        )));
    }
    let (_, base) = desk.plan_at(repo, &start).await?;
    if let Some(tampering) = plan::tampering(&base, now) {
        return Ok(Some(format!(
            "the plan's tasks were changed: {}",
            tampering.message()
        )));
    }
    let protected = protected(desk)?;
    let mut changed = git::changed_paths(repo, &start, head).await?;
    changed.retain(|path| protected.is_match(path));
    if !changed.is_empty()
        && let Some(taken_in) = taken_in(desk, repo, head).await?
    {
        // What came with the target is as its owner wants it: only what differs from there was changed here.
        let ours = git::changed_paths(repo, &taken_in, head).await?;
        changed.retain(|path| ours.contains(path));
    }
    let changed: Vec<String> = changed.iter().map(|p| p.display().to_string()).collect();
    Ok((!changed.is_empty())
        .then(|| format!("protected paths were changed: {}", changed.join(", "))))
}

/// How far the target is part of the run branch: a catch-up has brought it in, or the agent that mended a conflict.
async fn taken_in(desk: &Desk<'_>, repo: &Repo, head: &Oid) -> Result<Option<Oid>, Trouble> {
    match git::tip(repo, &desk.worktree()?.merge_target_branch).await? {
        Some(target) => Ok(git::merge_base(repo, head, &target.commit).await?),
        None => Ok(None),
    }
}

fn protected(desk: &Desk<'_>) -> Result<globset::GlobSet, Trouble> {
    let mut set = GlobSetBuilder::new();
    for pattern in &desk.config.protected_paths {
        let bad = |error: globset::Error| {
            trouble(
                TroubleKind::Permanent,
                "protected_paths",
                format!("`{pattern}` in protected_paths is no glob: {error}"),
            )
        };
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build()
        .map_err(|error| trouble(TroubleKind::Permanent, "protected_paths", error.to_string()))
}
