//! A run's branch: a name that collides with nothing, claimed together with a mark that survives a crash.
//!
//! The mark is a ref, `refs/loopd/runs/<run>/<reset>/<branch>`, created in one transaction with the branch: whoever
//! repeats an interrupted preparation finds its own branch again instead of taking a second one. It stands at the run's
//! first commit and keeps that commit from being collected.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::{
    GitError, Oid, Repo, Result, Want,
    admin::{Owner, all},
    own::{is_gits_own, real_path},
    refs::{below, blocker, branch_ref, branches, create_all, resolve, valid_branch},
    safe::Safe,
};

/// So many names are tried before giving up.
const TRIES: u32 = 10_000;
/// Bytes of a name in a worktree's path: the system takes 255, and a number may come after it.
const LONGEST_NAME: usize = 250;
/// Bytes of the whole path: the system takes 4095, and the worktree has files in it.
const LONGEST_PATH: usize = 3072;

/// A branch that is a run's own.
#[derive(Debug)]
pub(super) struct Claimed {
    pub branch: String,
    pub start: Oid,
}

fn marks(owner: &Owner) -> String {
    format!("refs/loopd/runs/{}/{}/", owner.run_id, owner.reset)
}

/// The mark of a branch.
pub(super) fn mark(owner: &Owner, branch: &str) -> String {
    format!("{}{branch}", marks(owner))
}

/// The branch that an owner has claimed, and its first commit.
pub(super) async fn claimed_by(repo: &Repo, owner: &Owner) -> Result<Option<(String, Oid)>> {
    let prefix = marks(owner);
    let found = below(repo, &prefix).await?.into_iter().next();
    Ok(found.map(|(name, start)| {
        (
            name.strip_prefix(&prefix).unwrap_or(&name).to_owned(),
            start,
        )
    }))
}

/// Every branch that a run has claimed, with the reset that it was for and its first commit.
pub(super) async fn claims_of(repo: &Repo, run_id: &str) -> Result<Vec<(u32, String, Oid)>> {
    let prefix = format!("refs/loopd/runs/{run_id}/");
    let found = below(repo, &prefix).await?.into_iter();
    let claims = found.filter_map(|(name, start)| {
        let (reset, branch) = name.strip_prefix(&prefix)?.split_once('/')?;
        Some((reset.parse().ok()?, branch.to_owned(), start))
    });
    Ok(claims.collect())
}

/// What an earlier, interrupted preparation claimed. The branch is made again, should only the mark have survived.
pub(super) async fn claimed(safe: &Safe<'_>, owner: &Owner) -> Result<Option<Claimed>> {
    let Some((branch, start)) = claimed_by(safe.repo, owner).await? else {
        return Ok(None);
    };
    let full = branch_ref(&branch);
    if resolve(safe.repo, &full).await?.is_none() {
        create_all(safe, &[(&full, &start)], &owner.words()).await?;
    }
    Ok(Some(Claimed { branch, start }))
}

/// Claims the first free name: neither a branch nor anything at its path may be in the way.
pub(super) async fn claim(
    safe: &Safe<'_>,
    owner: &Owner,
    want: &Want<'_>,
    start: &Oid,
) -> Result<Claimed> {
    let repo = safe.repo;
    let mut from = 1;
    loop {
        let (n, branch, _) = first_free(repo, want, from).await?;
        let (full, mark) = (branch_ref(&branch), mark(owner, &branch));
        match create_all(safe, &[(&full, start), (&mark, start)], &owner.words()).await {
            Ok(()) => {
                return Ok(Claimed {
                    branch,
                    start: start.clone(),
                });
            }
            Err(error) if blocker(&branches(repo).await?, &branch).is_none() => {
                return Err(error);
            }
            // Somebody was faster.
            Err(_) => from = n + 1,
        }
    }
}

/// The branch and the worktree's path that a run without any would get now. Nothing is claimed: whoever comes first
/// takes the name.
///
/// # Errors
/// Permanent: a name or path that cannot be used.
pub async fn foresee(repo: &Repo, want: &Want<'_>) -> Result<(String, PathBuf)> {
    let (_, branch, path) = first_free(repo, want, 1).await?;
    Ok((branch, path))
}

/// The first free name from the `from`th on, with its number and its path.
async fn first_free(repo: &Repo, want: &Want<'_>, from: u32) -> Result<(u32, String, PathBuf)> {
    let name = |n| match n {
        1 => format!("{}{}", want.run_branch_prefix, want.slug),
        n => format!("{}{}-{n}", want.run_branch_prefix, want.slug),
    };
    valid_branch(repo, &name(1)).await?;
    let taken = branches(repo).await?;
    for n in from..=TRIES {
        let branch = name(n);
        if let Some(blocker) = blocker(&taken, &branch) {
            // A directory of the name stays in the way, whatever is added to its end.
            if branch.starts_with(&format!("{blocker}/")) {
                let said =
                    format!("the branch {blocker} is in the way; choose another run_branch_prefix");
                return Err(GitError::permanent(
                    format!("create the branch {branch}"),
                    said,
                ));
            }
            continue;
        }
        if want.worktrunk.is_some() {
            // Where it goes is known when it is there.
            return Ok((n, branch, PathBuf::new()));
        }
        let path = place(repo, want, &branch).await?;
        // A template without the name of the branch gives the same place for every name: the place gets a number then.
        if free(repo, &path)? || place(repo, want, &name(n + 1)).await? == path {
            return Ok((n, branch, beside(repo, path)?));
        }
    }
    let tried = format!("create a branch {}{}", want.run_branch_prefix, want.slug);
    Err(GitError::permanent(
        tried,
        format!("{TRIES} names are taken; delete old run branches"),
    ))
}

/// Where the worktree of a branch belongs: absolute, and canonical as far as it exists.
pub(super) async fn place(repo: &Repo, want: &Want<'_>, branch: &str) -> Result<PathBuf> {
    let tried = || format!("place the worktree of {branch}");
    let wanted = (want.place)(branch).map_err(|why| GitError::permanent(tried(), why))?;
    let root = root(repo, want).await?;
    let path = real_path(&root.join(&wanted));
    if is_gits_own(&repo.common_dir, None, &path) {
        let said = format!(
            "{} lies in git's own directory {}, where git removes and rewrites what it finds; change worktree_path_template, for example to `../{{{{ repo }}}}.{{{{ run_branch | sanitize }}}}`",
            path.display(),
            repo.common_dir.display()
        );
        return Err(GitError::permanent(tried(), said));
    }
    if root.starts_with(&path) || path.file_name().is_none() {
        let said = format!(
            "{} lies around the repository; change worktree_path_template",
            path.display()
        );
        return Err(GitError::permanent(tried(), said));
    }
    let is_long = |name: &OsStr| name.len() > LONGEST_NAME;
    if path.as_os_str().len() > LONGEST_PATH || path.iter().any(is_long) {
        let said = format!(
            "the path of {} bytes, or a name in it, is too long for the system (a name may have {LONGEST_NAME} bytes, and the path {LONGEST_PATH}); change worktree_path_template",
            path.as_os_str().len()
        );
        return Err(GitError::permanent(tried(), said));
    }
    let around = root.parent().unwrap_or(&root);
    if want.confined && !path.starts_with(around) {
        let said = format!(
            "the worktree_path_template of the workspace leads to {}, out of {}; other places belong in your own config file",
            path.display(),
            around.display()
        );
        return Err(GitError::permanent(tried(), said));
    }
    Ok(path)
}

/// Where relative paths start: at the top of the primary checkout, as far as it is known; at a bare repository itself.
async fn root(repo: &Repo, want: &Want<'_>) -> Result<PathBuf> {
    if let Some(primary) = repo.primary().await? {
        return Ok(primary);
    }
    // Where git's directory lies apart from its checkout, only whoever asked knows that one.
    let asked_from = want.workspace.filter(|it| !repo.bare && it.is_dir());
    Ok(asked_from.unwrap_or(&repo.common_dir).to_path_buf())
}

/// The path, or the next free one beside it.
pub(super) fn beside(repo: &Repo, path: PathBuf) -> Result<PathBuf> {
    let mut candidate = path.clone();
    for n in 2.. {
        if free(repo, &candidate)? {
            break;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("-{n}"));
        candidate = path.with_file_name(name);
    }
    Ok(candidate)
}

/// Nothing is there, and git knows of no worktree there.
fn free(repo: &Repo, path: &Path) -> Result<bool> {
    Ok(fs::symlink_metadata(path).is_err() && all(repo)?.iter().all(|admin| admin.path != path))
}
