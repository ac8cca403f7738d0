//! Removes a worktree that loopd made, with positive proof that nothing is lost, or keeps it and says why.
//!
//! The run branch stays; deleting old branches is another decision.

use std::{ffi::OsStr, fs};

use super::{
    Oid, Repo, Result, Worktree,
    admin::{Admin, Head, find},
    proof::unsaved,
    refs::{resolve, swap},
    safe::Safe,
};

/// What became of the worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Removal {
    /// It is gone, now or already.
    Removed {
        /// The ref that was made for commits that no branch has.
        rescue: Option<String>,
    },
    /// It stays as it is.
    Kept {
        /// What would be lost, or why it is not known to be ours.
        why: String,
    },
}

/// Removes the worktree. Call it only when every process of the run is known to be gone.
///
/// # Errors
/// When git or the disk cannot be read; then nothing was removed.
pub async fn remove_worktree(repo: &Repo, worktree: &Worktree) -> Result<Removal> {
    let _lane = repo.lane().await;
    let kept = |why: String| Ok(Removal::Kept { why });
    let there = fs::symlink_metadata(&worktree.path).is_ok();
    let Some(admin) = find(repo, &worktree.path)? else {
        if there {
            return kept(
                "git does not know it as a worktree (any more); look at it and remove it by hand"
                    .into(),
            );
        }
        return Ok(Removal::Removed { rescue: None });
    };
    if admin.owner.as_ref() != Some(&worktree.owner()) {
        return kept("it does not carry the mark of its run".into());
    }
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    if let Some(what) = unfinished(repo, &admin).await? {
        return kept(what);
    }
    let head = match admin.head(repo).await? {
        Head::Branch(name) => resolve(repo, &name).await?,
        Head::Detached(commit) => Some(commit),
        Head::Unreadable => None,
    };
    let Some(head) = head else {
        return kept("its HEAD leads to no commit".into());
    };
    if there {
        if !admin.linked_from(&worktree.path) {
            return kept("its .git does not lead to the run's worktree any more".into());
        }
        if let Some(why) = unsaved(&safe, &worktree.path, &head, &worktree.base_commit).await? {
            return kept(why);
        }
    }
    let rescue = rescue(&safe, worktree, &head).await?;
    let args = ["worktree", "remove", "--force", "--force", "--"].map(OsStr::new);
    safe.call(args.into_iter().chain([worktree.path.as_os_str()]))
        .slow()
        .ok()
        .await?;
    Ok(Removal::Removed { rescue })
}

/// What git keeps for this worktree alone and would drop with it.
async fn unfinished(repo: &Repo, admin: &Admin) -> Result<Option<String>> {
    let started = |name: &&&str| admin.dir.join(name).exists();
    let states = [
        "rebase-merge",
        "rebase-apply",
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "BISECT_LOG",
    ];
    if let Some(state) = states.iter().find(started) {
        return Ok(Some(format!(
            "git is in the middle of something in there ({state}); finish or abort it"
        )));
    }
    let modules = admin.dir.join("modules");
    if modules.exists() {
        return Ok(Some(format!(
            "it holds submodules with histories of their own ({})",
            modules.display()
        )));
    }
    let own = [
        "for-each-ref",
        "--count=1",
        "--format=%(refname)",
        "refs/worktree/",
        "refs/bisect/",
        "refs/rewritten/",
    ];
    let own = admin.call(repo, own).text().await?;
    Ok((!own.is_empty()).then(|| format!("it holds refs of its own ({own})")))
}

/// Gives a commit that no branch has a ref, `refs/loopd/rescue/<run>`; the next free name, where that one is taken.
async fn rescue(safe: &Safe<'_>, worktree: &Worktree, head: &Oid) -> Result<Option<String>> {
    let contains = format!("--contains={head}");
    let holds = [
        "for-each-ref",
        "--count=1",
        "--format=%(refname)",
        &contains,
        "refs/heads/",
        "refs/loopd/rescue/",
    ];
    if !safe.repo.call(holds).text().await?.is_empty() {
        return Ok(None);
    }
    let base = format!("refs/loopd/rescue/{}", worktree.run_id);
    let mut name = base.clone();
    for n in 2.. {
        if swap(safe, &name, head, None, "loopd: rescue").await? {
            break;
        }
        name = format!("{base}-{n}");
    }
    Ok(Some(name))
}
