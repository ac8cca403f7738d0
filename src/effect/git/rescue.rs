//! Rescue refs, `refs/loopd/rescue/<run>`: what keeps commits that are about to lose the last ref that led to them. They
//! are made and never moved or removed here; to let go of one is a person's decision.

use super::{
    Oid, Repo, Result,
    refs::{below, swap},
    safe::Safe,
};

/// Where they are.
const RESCUE: &str = "refs/loopd/rescue/";

/// Whether a branch that `counts` (by its full name), or an older rescue ref, has this commit.
pub(super) async fn is_kept(
    repo: &Repo,
    commit: &Oid,
    counts: impl Fn(&str) -> bool,
) -> Result<bool> {
    let contains = format!("--contains={commit}");
    let holds = [
        "for-each-ref",
        "--format=%(refname)",
        &contains,
        "refs/heads/",
        "refs/remotes/",
        RESCUE,
    ];
    let holders = repo.call(holds).text().await?;
    Ok(holders
        .lines()
        .any(|name| name.starts_with(RESCUE) || counts(name)))
}

/// The rescue ref of the run that was made for exactly this commit.
///
/// # Errors
/// When git cannot list its refs.
pub async fn rescue_at(repo: &Repo, run_id: &str, commit: &Oid) -> Result<Option<String>> {
    let base = format!("{RESCUE}{run_id}");
    let of_the_run = |name: &str| {
        let rest = name.strip_prefix(&base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let all = below(repo, RESCUE).await?;
    let mut found = all.into_iter().filter(|(_, at)| at == commit);
    Ok(found
        .find(|(name, _)| of_the_run(name))
        .map(|(name, _)| name))
}

/// Gives the commit a rescue ref, unless it [`is_kept`]; the next free name, where the run has one already. The name, if one
/// was made.
pub(super) async fn rescue(
    safe: &Safe<'_>,
    run_id: &str,
    commit: &Oid,
    counts: impl Fn(&str) -> bool,
) -> Result<Option<String>> {
    if is_kept(safe.repo, commit, counts).await? {
        return Ok(None);
    }
    let base = format!("{RESCUE}{run_id}");
    let mut name = base.clone();
    for n in 2.. {
        if swap(safe, &name, commit, None, "loopd: rescue").await? {
            break;
        }
        name = format!("{base}-{n}");
    }
    Ok(Some(name))
}
