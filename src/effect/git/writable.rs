//! What git has to write for commits on a run's branch, from the run's worktree: the objects, the worktree's own
//! directory, and the directory of the run branches with that of their reflogs. Everything else of the repository (other
//! branches, `packed-refs`, hooks, configuration) is not needed for that, and can stay closed to an agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::refs::{below, branch_ref, branches};
use super::{GitError, Oid, Repo, Result, Worktree};
use crate::effect::below::make_below;

/// An empty directory that git keeps out of all its lists, and that keeps the run branches' directory from being
/// removed: git does that when it packs the last ref in there, and a sandboxed commit could not make it again.
const ANCHOR: &str = "_";

/// Places below a repository that commits are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writable {
    /// Absolute; they exist.
    pub paths: Vec<PathBuf>,
    /// What else can be changed through them, in sentences.
    pub lacks: Vec<String>,
}

/// Finds them for a run, and makes what is missing.
///
/// # Errors
/// A worktree that git does not know, directories that cannot be made.
pub async fn writable(repo: &Repo, worktree: &Worktree) -> Result<Writable> {
    let admin = worktree.admin(repo)?;
    let common = &repo.common_dir;
    let mut paths = vec![admin.dir, common.join("objects")];
    // Of extensions that commits write to: large files, and resolutions of conflicts.
    let more = ["lfs", "rr-cache"].map(|name| common.join(name));
    paths.extend(more.into_iter().filter(|path| path.is_dir()));
    if is_reftable(repo) {
        paths.push(common.join("reftable"));
    } else {
        let dir = directory_of(&worktree.run_branch);
        let refs = Path::new("refs/heads").join(dir);
        let logs = Path::new("logs/refs/heads").join(dir);
        for below in [&refs.join(ANCHOR), &logs] {
            make_below(common, below, 0o777)
                .map_err(|error| GitError::io("make", &common.join(below), &error))?;
        }
        paths.extend([common.join(refs), common.join(logs)]);
    }
    let lacks = shared(repo, &worktree.run_branch).await?;
    Ok(Writable { paths, lacks })
}

/// What could be changed along with a run branch of this name, in sentences; nothing where run branches have a directory
/// of their own.
///
/// # Errors
/// When git cannot list its refs.
pub async fn shared(repo: &Repo, run_branch: &str) -> Result<Vec<String>> {
    if is_reftable(repo) {
        return Ok(vec![
            "all branches are open: this repository keeps its refs in one table (reftable)"
                .to_owned(),
        ]);
    }
    let dir = directory_of(run_branch);
    if dir == Path::new("") {
        return Ok(vec![format!(
            "all branches are open: {run_branch} has no directory of its own; choose a run_branch_prefix that ends in `/`"
        )]);
    }
    let runs = marks(repo).await?;
    let others: Vec<String> = branches(repo)
        .await?
        .into_iter()
        .filter(|name| Path::new(name).starts_with(dir) && !runs.contains_key(name))
        .filter(|name| name != run_branch)
        .collect();
    Ok(match others.as_slice() {
        [] => Vec::new(),
        _ => vec![format!(
            "these branches are open, because they lie among the runs' in {}/: {}; choose another run_branch_prefix",
            dir.display(),
            others.join(", ")
        )],
    })
}

/// The branches of other runs that lie beside this worktree's, and so are open to whoever works in it: the branch, its
/// run, and where it stands; no place for one that is gone although its mark is there.
///
/// # Errors
/// When git cannot list its refs.
pub async fn neighbours(
    repo: &Repo,
    worktree: &Worktree,
) -> Result<Vec<(String, String, Option<Oid>)>> {
    let dir = directory_of(&worktree.run_branch);
    let tips: BTreeMap<String, Oid> = below(repo, "refs/heads/").await?.into_iter().collect();
    let found = marks(repo).await?.into_iter();
    Ok(found
        .filter(|(branch, _)| Path::new(branch).starts_with(dir) && *branch != worktree.run_branch)
        .map(|(branch, run)| {
            let tip = tips.get(&branch_ref(&branch)).cloned();
            (branch, run, tip)
        })
        .collect())
}

/// Every branch that carries the mark of a run, and the run.
async fn marks(repo: &Repo) -> Result<BTreeMap<String, String>> {
    const MARKS: &str = "refs/loopd/runs/";
    let found = below(repo, MARKS).await?;
    let read = |name: &String| {
        // <run>/<reset>/<branch>
        let mut parts = name.strip_prefix(MARKS)?.splitn(3, '/');
        let (run, _reset, branch) = (parts.next()?, parts.next()?, parts.next()?);
        Some((branch.to_owned(), run.to_owned()))
    };
    Ok(found.iter().filter_map(|(name, _)| read(name)).collect())
}

fn directory_of(branch: &str) -> &Path {
    Path::new(branch).parent().unwrap_or(Path::new(""))
}

fn is_reftable(repo: &Repo) -> bool {
    repo.common_dir.join("reftable").is_dir()
}
