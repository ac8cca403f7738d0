//! Deletes the branch of a run whose time is over, and the mark that kept it.
//!
//! When that is, the caller knows. Only a branch that the mark proves to be loopd's goes, and only from where the caller
//! has seen it; rescue refs stay.

use super::{
    Oid, Repo, Result, Worktree,
    claim::mark,
    forward::occupied,
    refs::{branch_ref, resolve},
    safe::Safe,
};

/// What became of the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Retired {
    /// It is gone, now or already.
    Deleted,
    /// It stays as it is.
    Kept {
        /// Why.
        why: String,
    },
}

/// Deletes the run branch, if it still stands at `seen`.
///
/// # Errors
/// Transient, while a lock is held.
pub async fn retire_branch(repo: &Repo, worktree: &Worktree, seen: &Oid) -> Result<Retired> {
    let _lane = repo.lane().await;
    let kept = |why: &str| {
        Ok(Retired::Kept {
            why: why.to_owned(),
        })
    };
    let (branch, owner) = (branch_ref(&worktree.run_branch), worktree.owner());
    let mark = mark(&owner, &worktree.run_branch);
    let stands = resolve(repo, &branch).await?;
    let Some(marked) = resolve(repo, &mark).await? else {
        return if stands.is_none() {
            Ok(Retired::Deleted)
        } else {
            kept("it does not carry the mark of its run")
        };
    };
    let safe = Safe::beginning(repo).await?;
    if stands.as_ref().is_some_and(|now| now != seen) {
        return kept("it has moved");
    }
    if let Some(checkout) = occupied(&safe, &branch).await?.first() {
        return kept(&format!("it is checked out in {}", checkout.path.display()));
    }
    let mut input = String::new();
    if stands.is_some() {
        input.push_str(&format!("delete {branch}\0{seen}\0"));
    }
    input.push_str(&format!("delete {mark}\0{marked}\0"));
    let delete = [
        "update-ref",
        "--no-deref",
        "--stdin",
        "-z",
        "-m",
        "loopd: retire",
    ];
    safe.call(delete).stdin(input.into_bytes()).ok().await?;
    Ok(Retired::Deleted)
}
