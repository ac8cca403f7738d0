//! The worktrees that loopd made in a repository, as git knows them now.
//!
//! The user's own worktrees are not listed, and nothing is removed here.

use std::path::PathBuf;

use super::{
    Drivers, Oid, Repo, Result,
    admin::{Admin, Head, all},
    index::OwnIndex,
    refs::{resolve, tree_of},
    safe::Safe,
};

/// A worktree that carries loopd's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The working tree.
    pub path: PathBuf,
    /// The run that it was made for.
    pub run_id: String,
    /// How often that run had been reset.
    pub reset: u32,
    /// The branch that it is on; none, when it is on none.
    pub branch: Option<String>,
    /// Its directory is there.
    pub present: bool,
    /// It was finished and handed to the run; false after a crash in the middle.
    pub complete: bool,
    /// It holds changes or files that its HEAD has not and that are not ignored. None: it could not be told.
    pub dirty: Option<bool>,
}

/// Lists them by path. Drivers that the repository's configuration names are not run for it: a file that one of them
/// translates may count as changed.
///
/// # Errors
/// When git cannot read the repository.
pub async fn list_worktrees(repo: &Repo) -> Result<Vec<Listed>> {
    let safe = Safe::trusting(repo, &Drivers::default()).await?;
    let mut listed = Vec::new();
    for admin in all(repo)? {
        let Some(owner) = admin.owner.clone() else {
            continue;
        };
        let head = admin.head(repo).await?;
        let commit = match &head {
            Head::Branch(name) => resolve(repo, name).await?,
            Head::Detached(commit) => Some(commit.clone()),
            Head::Unreadable => None,
        };
        let present = admin.path.is_dir();
        let dirty = match commit.filter(|_| present) {
            Some(commit) => dirty(&safe, &admin, &commit).await.ok(),
            None => None,
        };
        let branch = match head {
            Head::Branch(name) => name.strip_prefix("refs/heads/").map(str::to_owned),
            Head::Detached(_) | Head::Unreadable => None,
        };
        let (path, complete) = (admin.path, admin.complete);
        listed.push(Listed {
            path,
            run_id: owner.run_id,
            reset: owner.reset,
            branch,
            present,
            complete,
            dirty,
        });
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

async fn dirty(safe: &Safe<'_>, admin: &Admin, commit: &Oid) -> Result<bool> {
    let index = OwnIndex::of(safe, &admin.path)?;
    index.load(&tree_of(safe.repo, commit).await?).await?;
    Ok(!index.dirty().await?.is_empty() || !index.untracked().await?.is_empty())
}
