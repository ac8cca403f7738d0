//! A run catches up with its target: the target is merged into the run branch, in the run's own worktree.
//!
//! The merge itself needs no checkout (`merge-tree`). The files follow before the ref does: a crash in between is
//! recognised by the files, while a ref that is ahead of its files would look as if somebody had undone the merge.

use std::path::PathBuf;

use super::{
    Oid, Repo, Result, Worktree,
    advance::Advanced,
    commit::{Marks, commit_tree},
    index::OwnIndex,
    inspect::is_ancestor,
    put_back::put_back,
    refs::{Tip, branch_ref, resolve, swap, tip, tree_of},
    repo::{fields, path},
    safe::Safe,
};

/// What has to catch up with what.
#[derive(Clone, Copy, Debug)]
pub struct CatchUpWant<'a> {
    /// The run's worktree.
    pub worktree: &'a Worktree,
    /// Where the run branch stands.
    pub from: &'a Oid,
    /// The branch to catch up with.
    pub target_branch: &'a str,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CatchUp {
    /// The run branch and its worktree hold the target now: verify again.
    Done(Tip),
    /// The run branch already held it.
    Needless,
    /// Both sides changed the same; nothing was done.
    Conflict {
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The run branch does not stand where the caller thinks.
    RunBranchMoved {
        /// Where it stands; none: it is gone.
        tip: Option<Oid>,
    },
    /// Something that only a person can put right; nothing was done.
    Held {
        /// The files in the way, if any.
        files: Vec<PathBuf>,
        /// What is wrong, and what to do.
        message: String,
    },
}

/// Merges the target into the run branch. Call it only while no agent is alive in the worktree.
///
/// # Errors
/// Transient, while a lock is held; permanent, when the worktree is gone.
pub async fn catch_up(repo: &Repo, want: &CatchUpWant<'_>) -> Result<CatchUp> {
    let _lane = repo.lane().await;
    let worktree = want.worktree;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let stands = tip(repo, &worktree.run_branch).await?;
    let from = match stands {
        Some(tip) if tip.commit == *want.from => tip,
        Some(_) | None => {
            return Ok(CatchUp::RunBranchMoved {
                tip: stands.map(|tip| tip.commit),
            });
        }
    };
    let held = |message: String| {
        Ok(CatchUp::Held {
            files: Vec::new(),
            message,
        })
    };
    let admin = match worktree.standing(repo).await? {
        Ok(admin) => admin,
        Err(why) => return held(why),
    };
    admin.unlocked()?;
    put_back(&safe, worktree, &admin, &from.tree).await?;
    let Some(target) = resolve(repo, &branch_ref(want.target_branch)).await? else {
        return Ok(CatchUp::Needless);
    };
    if is_ancestor(repo, &target, &from.commit).await? {
        return Ok(CatchUp::Needless);
    }
    let to = match merge(&safe, want, &from, &target).await? {
        Ok(to) => to,
        Err(outcome) => return Ok(outcome),
    };
    let index = OwnIndex::of(&safe, worktree.path())?;
    match index.advance(&admin, &from.tree, &to.tree).await? {
        Advanced::Done => {}
        Advanced::Blocked { files, message } => {
            let message = format!(
                "{} holds changes in the way: {message}",
                worktree.path.display()
            );
            return Ok(CatchUp::Held { files, message });
        }
    }
    let why = format!("loopd: catch up with {}", want.target_branch);
    if !swap(
        &safe,
        &worktree.branch_ref(),
        &to.commit,
        Some(&from.commit),
        &why,
    )
    .await?
    {
        let now = resolve(repo, &worktree.branch_ref()).await?;
        return Ok(CatchUp::RunBranchMoved { tip: now });
    }
    index.install(&admin)?;
    Ok(CatchUp::Done(to))
}

/// The commit to go to, or why there is none.
async fn merge(
    safe: &Safe<'_>,
    want: &CatchUpWant<'_>,
    from: &Tip,
    target: &Oid,
) -> Result<std::result::Result<Tip, CatchUp>> {
    let (repo, worktree) = (safe.repo, want.worktree);
    if is_ancestor(repo, &from.commit, target).await? {
        return Ok(Ok(Tip {
            tree: tree_of(repo, target).await?,
            commit: target.clone(),
        }));
    }
    // Attributes are read as the run branch has them. A merge of trees reads them from files, and from no index.
    let scratch = OwnIndex::without_files(safe)?;
    scratch.load(&from.tree).await?;
    scratch.write_attributes().await?;
    let args = [
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
    ];
    let args = args
        .into_iter()
        .chain([from.commit.as_str(), target.as_str()]);
    let merged = scratch.call(args).slow().output().await?;
    let mut answer = fields(&merged.stdout);
    let tree = answer
        .next()
        .and_then(|id| Oid::parse(&String::from_utf8_lossy(id)));
    // A conflict and a failure both may end with 1; only a conflict names a tree.
    let (tree, clean) = match (merged.code, tree) {
        (0, Some(tree)) => (tree, true),
        (1, Some(tree)) => (tree, false),
        (_, _) => {
            let unrelated = String::from_utf8_lossy(&merged.stderr).contains("unrelated histories");
            if unrelated {
                let message = format!(
                    "{} shares no history with {}",
                    want.target_branch, worktree.run_branch
                );
                return Ok(Err(CatchUp::Held {
                    files: Vec::new(),
                    message,
                }));
            }
            return Err(merged.error());
        }
    };
    if !clean {
        let files = answer.map(|name| path(name.to_vec())).collect();
        return Ok(Err(CatchUp::Conflict { files }));
    }
    let message = format!("Merge {} into {}", want.target_branch, worktree.run_branch);
    let marks = Marks {
        run_id: &worktree.run_id,
        kind: "catch-up",
        more: &[],
    };
    let commit = commit_tree(safe, &tree, &[&from.commit, target], &message, &marks).await?;
    Ok(Ok(Tip { commit, tree }))
}
