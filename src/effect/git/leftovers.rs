//! What an agent left uncommitted becomes one marked commit of the run branch; and the question whether tracked files
//! differ from the tip.
//!
//! The worktree's own git is never asked (see `index`). Files are only read; the worktree's index is made to agree.

use std::{fs, path::PathBuf};

use super::{
    GitError, GitErrorKind, Oid, Repo, Result, Worktree,
    admin::Admin,
    commit::{Marks, commit_tree},
    index::OwnIndex,
    pipes,
    put_back::put_back,
    ref_lock,
    refs::{branch_ref, head, resolve, swap},
    safe::Safe,
};
use crate::bounded;

/// Files in the admin directory that say what git was in the middle of; over, once everything is committed.
const UNFINISHED: &[&str] = &[
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "AUTO_MERGE",
];

/// What became of the leftovers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Leftovers {
    /// The working tree holds what the tip holds.
    Nothing,
    /// They are this commit, the new tip.
    Committed(Oid),
    /// The worktree is not on its branch; nothing was done.
    Held {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// Commits everything in the worktree that is not ignored, but new files at the paths in `except`: what checks left is
/// no work. A merge that the agent resolved but did not conclude is concluded: the commit gets the second parent. Call
/// it only while no agent is alive in the worktree.
///
/// # Errors
/// Transient while a lock is held or the branch moves; permanent when the branch or the worktree is gone.
pub async fn commit_leftovers(
    repo: &Repo,
    worktree: &Worktree,
    message: &str,
    trailers: &[(&str, &str)],
    except: &[PathBuf],
) -> Result<Leftovers> {
    let _lane = repo.lane().await;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let tip = head(repo, worktree).await?;
    let admin = match worktree.standing(repo).await? {
        Ok(admin) => admin,
        Err(why) => return Ok(Leftovers::Held { why }),
    };
    admin.unlocked()?;
    if let Err(odd) = pipes::none_in(worktree.path()).await {
        return Ok(Leftovers::Held { why: odd.said });
    }
    put_back(&safe, worktree, &admin, &tip.tree).await?;
    let index = OwnIndex::of(&safe, worktree.path())?;
    index.load(&tip.tree).await?;
    let tree = match index.take_all(except).await {
        Ok(tree) => tree,
        // A name that no tree may hold, text that is not in the encoding that it is said to be: work, and nobody's failure.
        Err(error) if error.kind == GitErrorKind::Permanent => {
            let at = worktree.path.display();
            let why = format!(
                "git cannot commit what lies in {at} ({}); put it right there, then `loopctl resume`",
                error.said
            );
            return Ok(Leftovers::Held { why });
        }
        Err(error) => return Err(error),
    };
    let other = merged_side(&safe, &admin).await?;
    if tree == tip.tree && other.is_none() {
        index.install(&admin)?;
        return Ok(Leftovers::Nothing);
    }
    let parents: Vec<&Oid> = [&tip.commit].into_iter().chain(&other).collect();
    let marks = Marks {
        run_id: &worktree.run_id,
        kind: "leftovers",
        more: trailers,
    };
    let commit = commit_tree(&safe, &tree, &parents, message, &marks).await?;
    if !swap(
        &safe,
        &worktree.branch_ref(),
        &commit,
        Some(&tip.commit),
        "loopd: leftovers",
    )
    .await?
    {
        let tried = format!("commit what is left in {}", worktree.path.display());
        return Err(GitError::transient(
            tried,
            format!("{} moved meanwhile", worktree.run_branch),
        ));
    }
    index.install(&admin)?;
    for name in UNFINISHED {
        let _ = fs::remove_file(admin.dir.join(name));
    }
    Ok(Leftovers::Committed(commit))
}

/// The other side of a merge that is resolved and not concluded. One with open conflicts is none: recorded as merged,
/// the conflict would never come up again.
async fn merged_side(safe: &Safe<'_>, admin: &Admin) -> Result<Option<Oid>> {
    let Ok(text) = bounded::read_regular(&admin.dir.join("MERGE_HEAD"), 1024) else {
        return Ok(None);
    };
    let Some(other) = Oid::parse(String::from_utf8_lossy(&text).trim()) else {
        return Ok(None);
    };
    let open = admin
        .call(safe.repo, ["ls-files", "--unmerged"])
        .env("GIT_INDEX_FILE", admin.dir.join("index"));
    let open = open.cap(1).output().await?;
    if open.code != 0 || !open.stdout.is_empty() {
        return Ok(None);
    }
    resolve(safe.repo, other.as_str()).await
}

/// Tracked files that differ from the tip of the run branch: a check that left any has failed. Files that no commit
/// knows do not count.
///
/// # Errors
/// Permanent when the branch or the worktree is gone; held, where git would wait for a pipe in the worktree.
pub async fn changed_tracked(repo: &Repo, worktree: &Worktree) -> Result<Vec<PathBuf>> {
    worktree.admin(repo)?;
    pipes::none_in(worktree.path()).await?;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let index = OwnIndex::of(&safe, worktree.path())?;
    index.load(&head(repo, worktree).await?.tree).await?;
    index.dirty().await
}

/// Files in the worktree that are neither in the tip of the run branch nor ignored.
///
/// # Errors
/// Permanent when the branch or the worktree is gone; held, where git would wait for a pipe in the worktree.
pub async fn untracked(repo: &Repo, worktree: &Worktree) -> Result<Vec<PathBuf>> {
    worktree.admin(repo)?;
    pipes::none_in(worktree.path()).await?;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let index = OwnIndex::of(&safe, worktree.path())?;
    index.load(&head(repo, worktree).await?.tree).await?;
    index.untracked().await
}

/// Removes lock files that a killed git left in the worktree's own admin directory, and that of the run's branch, and names
/// them. Call it only when every process of the run is known to be gone: then nobody holds them. Somebody else's git might
/// hold that of the branch, and is waited for by whoever moves it next.
///
/// # Errors
/// When the worktree is not the run's, or a file cannot be removed.
pub async fn drop_stale_locks(repo: &Repo, worktree: &Worktree) -> Result<Vec<PathBuf>> {
    let _lane = repo.lane().await;
    let admin = worktree.admin(repo)?;
    let mut dropped = Vec::new();
    for name in ["index.lock", "HEAD.lock"] {
        let lock = admin.dir.join(name);
        match fs::remove_file(&lock) {
            Ok(()) => dropped.push(lock),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(GitError::io("remove", &lock, &error)),
        }
    }
    dropped.extend(ref_lock::clear(repo, &branch_ref(&worktree.run_branch)).await?);
    Ok(dropped)
}
