//! Looks for what an agent must not have done: a task of the base plan gone or reworded, a protected path changed, the
//! history that the run began with rewritten. What was seen is told in words; holding the run is the machine's.

use globset::{Glob, GlobSetBuilder};

use super::desk::{Desk, oid};
use super::trouble::trouble;
use crate::core::plan::{self, Checklist};
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::git::{self, Oid, Repo};

/// Protected wherever the run works: configuration and prompts of the loop itself.
const ALWAYS: &str = ".loop/**";

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
    let changed: Vec<String> = git::changed_paths(repo, &start, head)
        .await?
        .into_iter()
        .filter(|path| protected.is_match(path))
        .map(|path| path.display().to_string())
        .collect();
    Ok((!changed.is_empty())
        .then(|| format!("protected paths were changed: {}", changed.join(", "))))
}

fn protected(desk: &Desk<'_>) -> Result<globset::GlobSet, Trouble> {
    let mut set = GlobSetBuilder::new();
    let configured = desk.config.protected_paths.iter().map(String::as_str);
    for pattern in std::iter::once(ALWAYS).chain(configured) {
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
