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
    admin::{Admin, Owner, find, owned},
    base::{default_base, named_base},
    claim::{Claimed, claim, claimed, free, place},
    commit::{Marks, commit_tree, kind_of, parent_of},
    index::OwnIndex,
    refs::{branch_ref, resolve, tree_of},
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
        return take_up(repo, known).await;
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
        scratch.put(path, content).await?;
    }
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

async fn make(
    safe: &Safe<'_>,
    owner: &Owner,
    want: &Want<'_>,
    base: Base,
    claim: Claimed,
) -> Result<Prepared> {
    let repo = safe.repo;
    let begun = owned(repo, owner)?;
    let path = match &begun {
        Some(admin) => admin.path.clone(),
        None => beside(repo, place(repo, want, &claim.branch).await?)?,
    };
    let mut worktree = Worktree {
        run_id: owner.run_id.clone(),
        reset: owner.reset,
        base_branch: base.branch,
        base_commit: base.commit,
        start_commit: claim.start,
        run_branch: claim.branch,
        path,
        drivers: safe.drivers.clone(),
    };
    match begun {
        Some(admin) if admin.complete => return take_up(repo, &worktree).await,
        // Cut off before the agent could see it: whatever is there, this function wrote.
        Some(admin) if admin.linked_from(&admin.path) => fill(safe, &worktree, &admin).await?,
        Some(_) => {
            forget(safe, &worktree).await?;
            add(safe, &mut worktree).await?;
        }
        None => add(safe, &mut worktree).await?,
    }
    Ok(Prepared::Ready(worktree))
}

/// The path, or the next free one beside it.
fn beside(repo: &Repo, path: PathBuf) -> Result<PathBuf> {
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

/// Adds the worktree of a branch that exists, at a path where nothing is.
async fn add(safe: &Safe<'_>, worktree: &mut Worktree) -> Result<()> {
    let words = worktree.owner().words();
    let add = [
        "worktree",
        "add",
        "--quiet",
        "--no-checkout",
        "--lock",
        "--reason",
        &words,
        "--",
    ];
    let call = safe.call(
        add.map(std::ffi::OsStr::new)
            .into_iter()
            .chain([worktree.path.as_os_str(), worktree.run_branch.as_ref()]),
    );
    call.slow().ok().await?;
    worktree.path = fs::canonicalize(&worktree.path)
        .map_err(|error| GitError::io("open", &worktree.path, &error))?;
    let admin = find(safe.repo, &worktree.path)?.ok_or_else(|| {
        GitError::permanent(
            format!("add the worktree {}", worktree.path.display()),
            "git does not list it",
        )
    })?;
    fill(safe, worktree, &admin).await
}

/// Writes the files of the branch's tip and marks the worktree as complete.
async fn fill(safe: &Safe<'_>, worktree: &Worktree, admin: &Admin) -> Result<()> {
    full_checkout(safe, admin).await?;
    let index = OwnIndex::of(safe, &worktree.path)?;
    let tip = super::refs::head(safe.repo, worktree).await?;
    index.load(&tip.tree).await?;
    index.write_files().await?;
    index.install(admin)?;
    admin.mark(&worktree.owner())
}

/// A run works on all files: a sparse checkout is not inherited, or files outside of it would count as deleted.
async fn full_checkout(safe: &Safe<'_>, admin: &Admin) -> Result<()> {
    let patterns = admin.dir.join("info/sparse-checkout");
    if patterns.exists() {
        fs::remove_file(&patterns).map_err(|error| GitError::io("remove", &patterns, &error))?;
    }
    let own = admin.dir.join("config.worktree");
    if own.exists() {
        let args = ["config", "--file"]
            .map(std::ffi::OsStr::new)
            .into_iter()
            .chain([own.as_os_str()]);
        let args = args.chain(["core.sparseCheckout", "false"].map(std::ffi::OsStr::new));
        safe.repo.call(args).ok().await?;
    }
    Ok(())
}

/// Removes what git keeps about a worktree of ours whose directory is gone.
async fn forget(safe: &Safe<'_>, worktree: &Worktree) -> Result<()> {
    if fs::symlink_metadata(&worktree.path).is_ok_and(|meta| !is_empty_dir(&worktree.path, &meta)) {
        let said = "something that loopd did not put there is in its place; move it away";
        return Err(GitError::permanent(
            format!("add the worktree {}", worktree.path.display()),
            said,
        ));
    }
    let args = ["worktree", "remove", "--force", "--force", "--"].map(std::ffi::OsStr::new);
    if worktree.path.exists() {
        fs::remove_dir(&worktree.path)
            .map_err(|error| GitError::io("remove", &worktree.path, &error))?;
    }
    safe.call(args.into_iter().chain([worktree.path.as_os_str()]))
        .ok()
        .await
        .map(drop)
}

fn is_empty_dir(path: &Path, meta: &fs::Metadata) -> bool {
    meta.is_dir() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes up a recorded worktree exactly as it is; one whose directory has vanished is added again.
async fn take_up(repo: &Repo, known: &Worktree) -> Result<Prepared> {
    let held = |why: String| Ok(Prepared::Held { why });
    let at = known.path.display();
    if resolve(repo, &branch_ref(&known.run_branch))
        .await?
        .is_none()
    {
        return held(format!(
            "the branch {} is gone; restore it with `git branch`, or reset the run",
            known.run_branch
        ));
    }
    let admin = find(repo, &known.path)?;
    if let Some(admin) = &admin
        && admin.owner != Some(known.owner())
    {
        return held(format!("{at} does not carry the mark of the run"));
    }
    let vanished = fs::symlink_metadata(&known.path).is_err();
    match admin {
        Some(admin) if !vanished => match known.astray(repo, &admin).await? {
            Some(why) => return held(why),
            None => return Ok(Prepared::Ready(known.clone())),
        },
        None if !vanished => {
            return held(format!(
                "{at} exists, but is no worktree of the run; move it away"
            ));
        }
        Some(admin) => {
            if admin.head(repo).await? != super::admin::Head::Branch(known.branch_ref()) {
                return held(format!(
                    "{at} has vanished, and it was not on {} any more",
                    known.run_branch
                ));
            }
            let safe = Safe::trusting(repo, &known.drivers).await?;
            forget(&safe, known).await?;
        }
        None => {}
    }
    let safe = Safe::trusting(repo, &known.drivers).await?;
    let mut again = known.clone();
    add(&safe, &mut again).await?;
    Ok(Prepared::Ready(again))
}
