//! Removes a worktree that loopd made, with positive proof that nothing is lost, or keeps it and says why.
//!
//! The run branch stays; deleting old branches is another decision.

use std::{ffi::OsStr, fs};

use super::{
    Oid, Repo, Result, Worktree,
    admin::{Admin, Head, find},
    proof::unsaved,
    refs::resolve,
    rescue::rescue,
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
    /// It stays as it is: it holds files or changes that no commit has.
    Unsaved {
        /// Which.
        why: String,
    },
    /// It stays as it is.
    Kept {
        /// What of git's own would be lost, or why it is not known to be ours.
        why: String,
    },
}

/// Whether a worktree could be removed as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Removable {
    /// There is nothing (any more).
    Gone,
    /// Everything in it is in a commit or ignored by the base commit's own rules.
    Yes,
    /// It has to stay as it is.
    No {
        /// What would be lost, or why it is not known to be ours.
        why: String,
    },
}

/// What a look at a worktree came to.
enum Look {
    Gone,
    /// It can go; its HEAD is at this commit.
    Disposable(Oid),
    Unsaved(String),
    Kept(String),
}

/// Looks whether the worktree could be removed now, by the same proof that [`remove_worktree`] needs. Nothing is changed,
/// and nothing keeps somebody from changing the worktree right after.
///
/// # Errors
/// When git or the disk cannot be read.
pub async fn removable(repo: &Repo, worktree: &Worktree) -> Result<Removable> {
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    Ok(match look(repo, worktree, &safe).await? {
        Look::Gone => Removable::Gone,
        Look::Disposable(_) => Removable::Yes,
        Look::Unsaved(why) | Look::Kept(why) => Removable::No { why },
    })
}

/// Removes the worktree. Call it only when every process of the run is known to be gone.
///
/// # Errors
/// When git or the disk cannot be read; then nothing was removed.
pub async fn remove_worktree(repo: &Repo, worktree: &Worktree) -> Result<Removal> {
    let _lane = repo.lane().await;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let head = match look(repo, worktree, &safe).await? {
        Look::Gone => return Ok(Removal::Removed { rescue: None }),
        Look::Unsaved(why) => return Ok(Removal::Unsaved { why }),
        Look::Kept(why) => return Ok(Removal::Kept { why }),
        Look::Disposable(head) => head,
    };
    let any_branch = |name: &str| name.starts_with("refs/heads/");
    let rescue = rescue(&safe, &worktree.run_id, &head, any_branch).await?;
    let args = ["worktree", "remove", "--force", "--force", "--"].map(OsStr::new);
    safe.call(args.into_iter().chain([worktree.path.as_os_str()]))
        .slow()
        .ok()
        .await?;
    Ok(Removal::Removed { rescue })
}

/// The proof, or why there is none.
async fn look(repo: &Repo, worktree: &Worktree, safe: &Safe<'_>) -> Result<Look> {
    let kept = |why: &str| Ok(Look::Kept(why.to_owned()));
    let there = fs::symlink_metadata(&worktree.path).is_ok();
    let Some(admin) = find(repo, &worktree.path)? else {
        if there {
            return kept(
                "git does not know it as a worktree (any more); look at it and remove it by hand",
            );
        }
        return Ok(Look::Gone);
    };
    if admin.owner.as_ref() != Some(&worktree.owner()) {
        return kept("it does not carry the mark of its run");
    }
    if let Some(what) = unfinished(repo, &admin).await? {
        return Ok(Look::Kept(what));
    }
    let head = match admin.head(repo).await? {
        Head::Branch(name) => resolve(repo, &name).await?,
        Head::Detached(commit) => Some(commit),
        Head::Unreadable => None,
    };
    let Some(head) = head else {
        return kept("its HEAD leads to no commit");
    };
    if there {
        if !admin.linked_from(&worktree.path) {
            return kept("its .git does not lead to the run's worktree any more");
        }
        if let Some(why) = unsaved(safe, &worktree.path, &head, &worktree.base_commit).await? {
            return Ok(Look::Unsaved(why));
        }
    }
    Ok(Look::Disposable(head))
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
