//! The worktrees that loopd made in a repository, as git knows them now.
//!
//! The user's own worktrees are not listed, and nothing is removed here.

use std::path::{Path, PathBuf};

use super::{
    Drivers, Oid, Repo, Result, Worktree,
    admin::{Admin, Head, all, find},
    claim::{claimed_by, claims_of},
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

/// A worktree that carries loopd's mark, as far as it is known without looking into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The working tree.
    pub path: PathBuf,
    /// The run that it was made for.
    pub run_id: String,
    /// The branch that it is on; none, when it is on none.
    pub branch: Option<String>,
}

/// Lists what carries loopd's mark, by path, without reading any working tree.
///
/// # Errors
/// When git cannot read the repository.
pub async fn marked_worktrees(repo: &Repo) -> Result<Vec<Marked>> {
    let mut marked = Vec::new();
    for admin in all(repo)? {
        if let Some(owner) = &admin.owner {
            marked.push(Marked {
                run_id: owner.run_id.clone(),
                branch: short(admin.head(repo).await?),
                path: admin.path,
            });
        }
    }
    marked.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(marked)
}

/// The linked checkouts of the user's own that are there: those that carry no mark of loopd's.
///
/// # Errors
/// When git's own files cannot be read.
pub fn users_checkouts(repo: &Repo) -> Result<Vec<PathBuf>> {
    let own = all(repo)?.into_iter().filter(|it| it.owner.is_none());
    let paths = own.map(|admin| admin.path);
    Ok(paths.filter(|path| path.is_dir()).collect())
}

fn short(head: Head) -> Option<String> {
    match head {
        Head::Branch(name) => name.strip_prefix("refs/heads/").map(str::to_owned),
        Head::Detached(_) | Head::Unreadable => None,
    }
}

/// Lists them by path, with a look into each. Drivers that the repository's configuration names are not run for it: a file that one of them
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
        let branch = short(head);
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

/// The record of a worktree that carries the mark of this run and of which the run was never told: its preparation was
/// cut off, or its report came too late. None, where it is not the run's, or the branch that it was made for is not known
/// any more. Drivers are taken as the repository names them now; who changed them since is not known.
///
/// # Errors
/// When git cannot read the repository.
pub async fn unrecorded(repo: &Repo, run_id: &str, path: &Path) -> Result<Option<Worktree>> {
    let Some(admin) = find(repo, path)? else {
        return Ok(None);
    };
    let Some(owner) = admin.owner.filter(|owner| owner.run_id == run_id) else {
        return Ok(None);
    };
    let Some((run_branch, start_commit)) = claimed_by(repo, &owner).await? else {
        return Ok(None);
    };
    Ok(Some(Worktree {
        run_id: owner.run_id,
        reset: owner.reset,
        base_branch: String::new(),
        // A snapshot on top of the base adds a spec and a plan: the rules of what is ignored are the same.
        base_commit: start_commit.clone(),
        start_commit,
        run_branch,
        path: admin.path,
        drivers: Safe::beginning(repo).await?.drivers,
        lenders: None,
    }))
}

/// The branches that a run has claimed and that were not retired yet, each as the record of a worktree at `path`s that
/// are not known here: enough to retire the branch, and for nothing else.
///
/// # Errors
/// When git cannot read the repository.
pub async fn of_run(repo: &Repo, run_id: &str) -> Result<Vec<Worktree>> {
    let mut found = Vec::new();
    for (reset, run_branch, start_commit) in claims_of(repo, run_id).await? {
        found.push(Worktree {
            run_id: run_id.to_owned(),
            reset,
            base_branch: String::new(),
            base_commit: start_commit.clone(),
            start_commit,
            run_branch,
            path: PathBuf::new(),
            drivers: Drivers::default(),
            lenders: None,
        });
    }
    Ok(found)
}

async fn dirty(safe: &Safe<'_>, admin: &Admin, commit: &Oid) -> Result<bool> {
    let index = OwnIndex::of(safe, &admin.path)?;
    index.load(&tree_of(safe.repo, commit).await?).await?;
    Ok(!index.dirty().await?.is_empty() || !index.untracked().await?.is_empty())
}
