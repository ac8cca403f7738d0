//! Refs: read, and moved only from a value that is known (compare-and-swap).
//!
//! Which ref has to move, and why, is decided elsewhere.

use std::collections::BTreeSet;

use super::{
    FILE_BYTES, GitError, GitErrorKind, Oid, Repo, Result, Worktree, ref_lock, safe::Safe,
};
use crate::bounded;

/// A commit and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
}

/// `refs/heads/<branch>`.
pub(super) fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// The tip of the run branch, read from the ref and not through the worktree.
///
/// # Errors
/// Held, when the branch is gone.
pub async fn head(repo: &Repo, worktree: &Worktree) -> Result<Tip> {
    let gone = || {
        let commit = last_commit(repo, worktree).unwrap_or_else(|| "<commit>".to_owned());
        let said = format!(
            "it is gone; restore it with `git branch {0} {commit}`, then resume",
            worktree.run_branch
        );
        GitError {
            kind: GitErrorKind::Held,
            tried: format!("read the branch {}", worktree.run_branch),
            said,
        }
    };
    tip(repo, &worktree.run_branch).await?.ok_or_else(gone)
}

/// Where the HEAD of the worktree stood last, by its log. An agent can write that, too: it is a hint for a person.
fn last_commit(repo: &Repo, worktree: &Worktree) -> Option<String> {
    let log = worktree.admin(repo).ok()?.dir.join("logs/HEAD");
    let log = bounded::read_regular(&log, FILE_BYTES).ok()?;
    let lines = String::from_utf8_lossy(&log).into_owned();
    let commit = lines.lines().last()?.split(' ').nth(1)?;
    let none = commit.bytes().all(|digit| digit == b'0');
    Oid::parse(commit)
        .filter(|_| !none)
        .map(|it| it.to_string())
}

/// The tip of any branch; none, where there is no such branch.
pub async fn tip(repo: &Repo, branch: &str) -> Result<Option<Tip>> {
    match resolve(repo, &branch_ref(branch)).await? {
        Some(commit) => Ok(Some(Tip {
            tree: tree_of(repo, &commit).await?,
            commit,
        })),
        None => Ok(None),
    }
}

/// The commit that a full ref name (or a full object name) leads to; none, where there is none.
pub(super) async fn resolve(repo: &Repo, name: &str) -> Result<Option<Oid>> {
    let wanted = format!("{name}^{{commit}}");
    let output = repo
        .call([
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ])
        .output()
        .await?;
    match output.code {
        0 => Ok(Oid::parse(String::from_utf8_lossy(&output.stdout).trim())),
        1 => Ok(None),
        _ => Err(output.error()),
    }
}

/// The tree of a commit.
pub(super) async fn tree_of(repo: &Repo, commit: &Oid) -> Result<Oid> {
    let tree = repo
        .call([
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{commit}^{{tree}}"),
        ])
        .text()
        .await?;
    oid(tree, "read the tree of a commit")
}

/// What git printed where an object name was expected.
pub(super) fn oid(text: String, tried: &str) -> Result<Oid> {
    Oid::parse(text.trim())
        .ok_or_else(|| GitError::permanent(tried, format!("git printed {text:?}")))
}

/// The full name of the ref that `name` is symbolic for, where it is.
pub(super) async fn symbolic(repo: &Repo, name: &str) -> Result<Option<String>> {
    let output = repo
        .call(["symbolic-ref", "--quiet", name])
        .output()
        .await?;
    match output.code {
        0 => Ok(Some(
            String::from_utf8_lossy(&output.stdout)
                .trim_end_matches('\n')
                .to_owned(),
        )),
        1 => Ok(None),
        _ => Err(output.error()),
    }
}

/// Moves a ref from `old` (none: it must not exist) to `new`; false, and nothing done, where it stood elsewhere.
pub(super) async fn swap(
    safe: &Safe<'_>,
    name: &str,
    new: &Oid,
    old: Option<&Oid>,
    why: &str,
) -> Result<bool> {
    let expected = old.map_or("", Oid::as_str);
    let moved = safe
        .call([
            "update-ref",
            "--no-deref",
            "-m",
            why,
            name,
            new.as_str(),
            expected,
        ])
        .output()
        .await?;
    if moved.code == 0 {
        return Ok(true);
    }
    if resolve(safe.repo, name).await?.as_ref() != old {
        return Ok(false);
    }
    Err(moved.error())
}

/// Creates all of these refs, or none. Locks that a git has left which was killed in doing so are in nobody's way.
pub(super) async fn create_all(safe: &Safe<'_>, refs: &[(&str, &Oid)], why: &str) -> Result<()> {
    let mut input = Vec::new();
    for (name, value) in refs {
        input.extend_from_slice(format!("create {name}\0{value}\0").as_bytes());
    }
    let create = || {
        safe.call(["update-ref", "--stdin", "-z", "-m", why])
            .stdin(input.clone())
    };
    let Err(error) = create().ok().await else {
        return Ok(());
    };
    let mut is_cleared = false;
    for (name, _) in refs {
        is_cleared |= ref_lock::clear(safe.repo, name).await?.is_some();
    }
    match is_cleared {
        true => create().ok().await.map(drop),
        false => Err(error),
    }
}

/// Refs below `prefix` (which ends in a slash) and where they stand.
pub(super) async fn below(repo: &Repo, prefix: &str) -> Result<Vec<(String, Oid)>> {
    let text = repo
        .call(["for-each-ref", "--format=%(objectname) %(refname)", prefix])
        .text()
        .await?;
    let split = |line: &str| {
        line.split_once(' ')
            .and_then(|(id, name)| Some((name.to_owned(), Oid::parse(id)?)))
    };
    Ok(text.lines().filter_map(split).collect())
}

/// The names of all branches, without `refs/heads/`.
pub(super) async fn branches(repo: &Repo) -> Result<BTreeSet<String>> {
    let text = repo
        .call(["for-each-ref", "--format=%(refname)", "refs/heads/"])
        .text()
        .await?;
    Ok(text
        .lines()
        .filter_map(|line| line.strip_prefix("refs/heads/"))
        .map(str::to_owned)
        .collect())
}

/// The same, of these branches.
pub(super) fn blocker<'b>(branches: &'b BTreeSet<String>, branch: &str) -> Option<&'b str> {
    let below = format!("{branch}/");
    let above = branch
        .match_indices('/')
        .find_map(|(at, _)| branches.get(&branch[..at]));
    let inside = || {
        branches
            .range(below.clone()..)
            .next()
            .filter(|name| name.starts_with(&below))
    };
    branches
        .get(branch)
        .or(above)
        .or_else(inside)
        .map(String::as_str)
}

/// The branch of the repository that stands in the way of making `branch`: itself, a directory of it, or something below it.
///
/// # Errors
/// When git cannot list its branches.
pub async fn in_the_way(repo: &Repo, branch: &str) -> Result<Option<String>> {
    let branches = branches(repo).await?;
    Ok(blocker(&branches, branch).map(str::to_owned))
}

/// Refuses what git does not take as a branch's name.
pub(super) async fn valid_branch(repo: &Repo, branch: &str) -> Result<()> {
    let full = branch_ref(branch);
    if !branch.starts_with('-') && repo.call(["check-ref-format", &full]).yes().await? {
        return Ok(());
    }
    Err(GitError::permanent(
        format!("use the branch name {branch:?}"),
        "git does not allow it (see git check-ref-format)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_in_the_way_of_its_name_its_directories_and_what_it_would_hide() {
        let branches: BTreeSet<String> = ["run/a", "run/b/c", "agent"].map(String::from).into();
        for (wanted, blocker) in [
            ("run/a", Some("run/a")),
            ("run/a/x", Some("run/a")),
            ("run/b", Some("run/b/c")),
            ("agent/x", Some("agent")),
            ("run/aa", None),
            ("run", Some("run/a")),
            ("main", None),
        ] {
            assert_eq!(super::blocker(&branches, wanted), blocker, "{wanted}");
        }
    }
}
