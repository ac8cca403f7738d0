//! Makes a worktree, finishes one that is half made, takes up one that is recorded.
//!
//! What a run wishes for, and which branch is its own, is known in `place` and `claim`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Base, GitError, Prepared, Repo, Result, Want, Worktree,
    admin::{Admin, Head, Owner, find, owned},
    claim::{Claimed, beside, place},
    index::OwnIndex,
    put_back::put_back,
    refs::{branch_ref, head, resolve},
    safe::Safe,
    whole::lenders,
    worktrunk,
};

pub(super) async fn make(
    safe: &Safe<'_>,
    owner: &Owner,
    want: &Want<'_>,
    base: Base,
    claim: Claimed,
) -> Result<Prepared> {
    let repo = safe.repo;
    let begun = owned(repo, owner)?;
    let path = match (&begun, want.worktrunk) {
        (Some(admin), _) => admin.path.clone(),
        (None, Some(_)) => PathBuf::new(),
        (None, None) => beside(repo, place(repo, want, &claim.branch).await?)?,
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
        lenders: Some(lenders(repo)?),
    };
    match begun {
        Some(admin) if admin.complete => return take_up(repo, &worktree).await,
        // Cut off before the agent could see it: whatever is there, this function wrote.
        Some(admin) if admin.linked_from(&admin.path) => fill(safe, &worktree, &admin).await?,
        Some(_) => {
            forget(safe, &worktree).await?;
            add(safe, &mut worktree).await?;
        }
        None => match want.worktrunk {
            Some(wt) => match worktrunk::add(safe, &mut worktree, wt).await? {
                Ok(admin) => fill(safe, &worktree, &admin).await?,
                Err(why) => return Ok(Prepared::Held { why }),
            },
            None => add(safe, &mut worktree).await?,
        },
    }
    Ok(Prepared::Ready(worktree))
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
        add.map(OsStr::new)
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
    let tip = head(safe.repo, worktree).await?;
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
            .map(OsStr::new)
            .into_iter()
            .chain([own.as_os_str()]);
        let args = args.chain(["core.sparseCheckout", "false"].map(OsStr::new));
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
    let args = ["worktree", "remove", "--force", "--force", "--"].map(OsStr::new);
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

/// Takes up a recorded worktree exactly as it is; one whose directory has vanished is added again, and finished where that
/// was cut off.
pub(super) async fn take_up(repo: &Repo, known: &Worktree) -> Result<Prepared> {
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
    if admin.is_none()
        && let Some(why) = known.moved(repo)?
    {
        return held(format!("failed to use the worktree {at}: {why}"));
    }
    let vanished = fs::symlink_metadata(&known.path).is_err();
    match admin {
        Some(admin) if !vanished => match known.astray(repo, &admin).await? {
            Some(why) => return held(why),
            None if admin.complete => {
                let safe = Safe::trusting(repo, &known.drivers).await?;
                put_back(&safe, known, &admin, &head(repo, known).await?.tree).await?;
                return Ok(Prepared::Ready(known.clone()));
            }
            // Cut off while it was added again: files that are missing are nobody's deletions.
            None => {
                let safe = Safe::trusting(repo, &known.drivers).await?;
                fill(&safe, known, &admin).await?;
                return Ok(Prepared::Ready(known.clone()));
            }
        },
        None if !vanished => {
            return held(format!(
                "{at} exists, but is no worktree of the run; move it away"
            ));
        }
        Some(admin) => {
            if admin.head(repo).await? != Head::Branch(known.branch_ref()) {
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
