//! Deletes the branch of a run whose time is over, and the mark that kept it, once nothing of it can be lost.
//!
//! When that is, the caller knows. Only a branch that the mark proves to be loopd's goes, only where it is checked out
//! nowhere, and only when its commits are in a branch that the caller names or behind a rescue ref; rescue refs stay.

use std::path::Path;

use super::{
    Oid, Repo, Result, Worktree,
    claim::mark,
    forward::occupied,
    refs::{branch_ref, resolve},
    rescue::rescue,
    safe::Safe,
};

/// What became of the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Retired {
    /// It is gone, now or already.
    Deleted {
        /// Where it stood; none, where it was gone already.
        tip: Option<Oid>,
        /// The ref that was made to keep its commits.
        rescue: Option<String>,
    },
    /// It stays as it is.
    Kept {
        /// Why.
        why: String,
    },
}

/// Whether a branch could be deleted as things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Retirable {
    /// There is nothing (any more).
    Gone,
    /// It could go.
    Yes,
    /// It has to stay.
    No {
        /// Why.
        why: String,
    },
}

/// A run branch and its mark, as they stand.
struct Standing {
    branch: String,
    tip: Option<Oid>,
    mark: String,
    marked: Oid,
}

/// Looks whether the branch could be deleted, were these worktrees gone. Nothing is changed.
///
/// # Errors
/// When git cannot read the repository.
pub async fn retirable(repo: &Repo, worktree: &Worktree, gone: &[&Path]) -> Result<Retirable> {
    let safe = Safe::beginning(repo).await?;
    Ok(match look(&safe, worktree, gone).await? {
        Ok(Some(_)) => Retirable::Yes,
        Ok(None) => Retirable::Gone,
        Err(why) => Retirable::No { why },
    })
}

/// Deletes the run branch. Commits that none of the branches `kept_in` has (short names, local or of a remote) get a rescue
/// ref first.
///
/// # Errors
/// Transient, while a lock is held; then nothing was deleted.
pub async fn retire_branch(repo: &Repo, worktree: &Worktree, kept_in: &[&str]) -> Result<Retired> {
    let _lane = repo.lane().await;
    let safe = Safe::beginning(repo).await?;
    let it = match look(&safe, worktree, &[]).await? {
        Ok(Some(standing)) => standing,
        Ok(None) => {
            return Ok(Retired::Deleted {
                tip: None,
                rescue: None,
            });
        }
        Err(why) => return Ok(Retired::Kept { why }),
    };
    let counts = |name: &str| {
        let short = ["refs/heads/", "refs/remotes/"]
            .iter()
            .find_map(|start| name.strip_prefix(start));
        name != it.branch && short.is_some_and(|short| kept_in.contains(&short))
    };
    let mut made = None;
    // The first commit, too: where a person has moved or deleted the branch, only the mark leads to it.
    for commit in it.tip.iter().chain([&it.marked]) {
        let rescue = rescue(&safe, &worktree.run_id, commit, counts).await?;
        made = made.or(rescue);
    }
    let mut input = String::new();
    if let Some(tip) = &it.tip {
        input.push_str(&format!("delete {}\0{tip}\0", it.branch));
    }
    input.push_str(&format!("delete {}\0{}\0", it.mark, it.marked));
    let delete = [
        "update-ref",
        "--no-deref",
        "--stdin",
        "-z",
        "-m",
        "loopd: retire",
    ];
    safe.call(delete).stdin(input.into_bytes()).ok().await?;
    Ok(Retired::Deleted {
        tip: it.tip,
        rescue: made,
    })
}

/// The branch and its mark, none where there is neither; or why the branch stays.
async fn look(
    safe: &Safe<'_>,
    worktree: &Worktree,
    gone: &[&Path],
) -> Result<std::result::Result<Option<Standing>, String>> {
    let repo = safe.repo;
    let branch = branch_ref(&worktree.run_branch);
    let mark = mark(&worktree.owner(), &worktree.run_branch);
    let tip = resolve(repo, &branch).await?;
    let Some(marked) = resolve(repo, &mark).await? else {
        return Ok(match tip {
            None => Ok(None),
            Some(_) => Err("it does not carry the mark of its run".to_owned()),
        });
    };
    let checkouts = occupied(safe, &branch).await?;
    let mut others = checkouts
        .iter()
        .filter(|it| !gone.contains(&it.path.as_path()));
    if let Some(checkout) = others.next() {
        return Ok(Err(format!(
            "it is checked out in {}",
            checkout.path.display()
        )));
    }
    Ok(Ok(Some(Standing {
        branch,
        tip,
        mark,
        marked,
    })))
}
