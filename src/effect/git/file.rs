//! loopd's own commit of one file: the plan with its boxes ticked or reopened.
//!
//! What the file says is the caller's business. The file in the worktree is rewritten only where it is what the tip
//! has; an agent's unfinished edit is never overwritten.

use std::path::Path;

use super::{
    Oid, Repo, Result, Worktree,
    advance::Advanced,
    commit::{Marks, commit_tree},
    index::OwnIndex,
    put_back::put_back,
    refs::{head, swap},
    safe::Safe,
};

/// What became of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum FileCommit {
    /// The tip has it already.
    Unchanged,
    /// This commit, the new tip, changes it and nothing else.
    Committed(Oid),
    /// The file in the worktree is not what the tip has, or the worktree is not on its branch; nothing was done.
    Held {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// Commits `content` (as a commit holds it, before any filter) at `path` on top of the run branch and writes it into
/// the worktree. A repeat after a crash finishes what is missing.
///
/// # Errors
/// Permanent for a path outside of the worktree; transient while a lock is held.
pub async fn commit_file(
    repo: &Repo,
    worktree: &Worktree,
    path: &Path,
    content: &[u8],
    message: &str,
) -> Result<FileCommit> {
    let _lane = repo.lane().await;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let tip = head(repo, worktree).await?;
    let admin = match worktree.standing(repo).await? {
        Ok(admin) => admin,
        Err(why) => return Ok(FileCommit::Held { why }),
    };
    admin.unlocked()?;
    put_back(&safe, worktree, &admin, &tip.tree).await?;
    let index = OwnIndex::of(&safe, worktree.path())?;
    index.load(&tip.tree).await?;
    index.put(path, content).await?;
    let tree = index.write_tree().await?;
    if tree == tip.tree {
        // The ref moves after the files and before the index: a crash in between leaves the index behind.
        index.install(&admin)?;
        return Ok(FileCommit::Unchanged);
    }
    match index.advance(&admin, &tip.tree, &tree).await? {
        Advanced::Done => {}
        Advanced::Blocked { message, .. } => {
            let why = format!(
                "{} in {} was changed meanwhile: {message}",
                path.display(),
                worktree.path.display()
            );
            return Ok(FileCommit::Held { why });
        }
    }
    let marks = Marks {
        run_id: &worktree.run_id,
        kind: "plan",
        more: &[],
    };
    let commit = commit_tree(&safe, &tree, &[&tip.commit], message, &marks).await?;
    if !swap(
        &safe,
        &worktree.branch_ref(),
        &commit,
        Some(&tip.commit),
        "loopd: plan",
    )
    .await?
    {
        let tried = format!("commit {}", path.display());
        return Err(super::GitError::transient(
            tried,
            format!("{} moved meanwhile", worktree.run_branch),
        ));
    }
    index.install(&admin)?;
    Ok(FileCommit::Committed(commit))
}
