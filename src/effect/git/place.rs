//! Prepares a run's worktree: makes it, finishes one that a crash left half made, or takes up a recorded one as it is.
//!
//! Nothing that exists is ever removed or reset for it. What an agent has left in the worktree (another branch, a
//! changed `.git`) is held for a person.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Base, GitError, Oid, Repo, Result, Worktree,
    admin::Owner,
    base::{default_base, named_base},
    claim::{claim, claimed, mark},
    commit::{Marks, commit_tree, kind_of, parent_of},
    index::{OwnIndex, inside},
    make::{make, take_up},
    refs::{blocker, branch_ref, branches, create_all, resolve, tree_of},
    safe::Safe,
};

/// The directory of a run's worktree, for its branch. Relative paths start at the top of the primary checkout.
pub type Place<'a> = &'a (dyn Fn(&str) -> std::result::Result<PathBuf, String> + Send + Sync);

/// What a run needs.
#[derive(Clone, Copy)]
pub struct Want<'a> {
    /// The run; letters, digits and `-` only.
    pub run_id: &'a str,
    /// How often the run was reset: after a reset it gets a new branch and a new worktree.
    pub reset: u32,
    /// The end of the branch's name.
    pub slug: &'a str,
    /// Its beginning (`run/`).
    pub run_branch_prefix: &'a str,
    /// None: the default branch.
    pub base_branch: Option<&'a str>,
    /// What an earlier call gave and the caller stored: taken up exactly as it is.
    pub known: Option<&'a Worktree>,
    /// Where `known`'s branch stood when it was retired: it is made again from there, if it is gone.
    pub retired: Option<&'a Oid>,
    /// Where the run was asked from: known to be a checkout, unless the repository is bare.
    pub workspace: Option<&'a Path>,
    /// The worktree has to lie below the folder that the primary checkout is in, whatever links are on the way.
    pub confined: bool,
    /// The `wt` that adds the worktree, wherever its own configuration says; none: git does, at `place`.
    pub worktrunk: Option<&'a Path>,
    /// The path for a branch.
    pub place: Place<'a>,
    /// Files (relative path, content) that become the run branch's first commit.
    pub snapshot: &'a [(PathBuf, Vec<u8>)],
}

/// What became of the wish for a worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Prepared {
    /// It is there and on its branch.
    Ready(Worktree),
    /// It is not as loopd left it, and was not touched; a person has to look.
    Held {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// Gives a run its branch and worktree; see the room's own words. Idempotent: a repeat after a crash at any point, with
/// or without `known`, gives the same branch and path.
///
/// # Errors
/// Permanent: no commit yet, no such base branch, a name or path that cannot be used.
pub async fn prepare_worktree(repo: &Repo, want: &Want<'_>) -> Result<Prepared> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if want.run_id.is_empty() || !want.run_id.chars().all(fits) {
        let said = "only letters, digits and `-` are allowed";
        return Err(GitError::permanent(
            format!("use the run id {:?}", want.run_id),
            said,
        ));
    }
    let _lane = repo.lane().await;
    if let Some(known) = want.known {
        return match restore(repo, known, want.retired).await? {
            Some(why) => Ok(Prepared::Held { why }),
            None => take_up(repo, known).await,
        };
    }
    let safe = Safe::beginning(repo).await?;
    let owner = Owner {
        run_id: want.run_id.to_owned(),
        reset: want.reset,
    };
    let base = match want.base_branch {
        Some(name) => named_base(repo, name).await,
        None => default_base(repo).await,
    };
    let (base, claim) = match claimed(&safe, &owner).await? {
        Some(claim) => (begun(repo, base, &owner, &claim.start).await?, claim),
        None => {
            let base = base?;
            let start = snapshot(&safe, &owner, &base.commit, want.snapshot).await?;
            let claim = claim(&safe, &owner, want, &start).await?;
            (base, claim)
        }
    };
    make(&safe, &owner, want, base, claim).await
}

/// Makes a retired branch again where it stood, with its mark; or says why that cannot be.
async fn restore(repo: &Repo, known: &Worktree, retired: Option<&Oid>) -> Result<Option<String>> {
    let Some(tip) = retired else {
        return Ok(None);
    };
    let (branch, mark) = (
        branch_ref(&known.run_branch),
        mark(&known.owner(), &known.run_branch),
    );
    if resolve(repo, &mark).await?.is_some() {
        // An earlier try has made it again.
        return Ok(None);
    }
    let name = &known.run_branch;
    if let Some(blocker) = blocker(&branches(repo).await?, name) {
        return Ok(Some(format!(
            "the branch {name} was removed by the clean-up, and {blocker} has taken its place since; `loopctl reset` starts on a new branch (the old one stood at {tip})"
        )));
    }
    for commit in [tip, &known.start_commit] {
        if resolve(repo, commit.as_str()).await?.is_none() {
            return Ok(Some(format!(
                "the branch {name} was removed by the clean-up, and its commit {commit} is not in the repository any more; `loopctl reset` starts on a new branch"
            )));
        }
    }
    let safe = Safe::beginning(repo).await?;
    let refs = [(&*branch, tip), (&*mark, &known.start_commit)];
    create_all(&safe, &refs, &known.owner().words()).await?;
    Ok(None)
}

/// The base of a run that had already begun: its commit is known from the run's first one.
async fn begun(repo: &Repo, base: Result<Base>, owner: &Owner, start: &Oid) -> Result<Base> {
    let commit = match kind_of(repo, start, &owner.run_id).await?.as_deref() {
        Some("snapshot") => parent_of(repo, start)
            .await?
            .unwrap_or_else(|| start.clone()),
        Some(_) | None => start.clone(),
    };
    Ok(Base { commit, ..base? })
}

/// The run's first commit: the base, or the given files on top of it.
async fn snapshot(
    safe: &Safe<'_>,
    owner: &Owner,
    base: &Oid,
    files: &[(PathBuf, Vec<u8>)],
) -> Result<Oid> {
    if files.is_empty() {
        return Ok(base.clone());
    }
    let scratch = OwnIndex::without_files(safe)?;
    let tree = tree_of(safe.repo, base).await?;
    scratch.load(&tree).await?;
    for (path, content) in files {
        // As a working tree holds it: line ends and filters are applied on the way in.
        inside(path)?;
        let file = scratch.files.join(path);
        let fail = |error| GitError::io("write", &file, &error);
        fs::create_dir_all(file.parent().unwrap_or(&scratch.files)).map_err(fail)?;
        fs::write(&file, content).map_err(fail)?;
    }
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    scratch.update(&paths).await?;
    let new = scratch.write_tree().await?;
    if new == tree {
        return Ok(base.clone());
    }
    let marks = Marks {
        run_id: &owner.run_id,
        kind: "snapshot",
        more: &[],
    };
    commit_tree(
        safe,
        &new,
        &[base],
        "Take the spec and the plan as they are",
        &marks,
    )
    .await
}
