//! The record of a run's worktree: made once, stored by the caller, given back to every later call.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    GitError, GitErrorKind, Repo, Result,
    admin::{Admin, Head, find, owned},
    refs::branch_ref,
    safe::Drivers,
};
use crate::effect::git::Oid;

/// A run's branch and worktree. Store it as it is: it is the proof by which later calls recognise their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// The run that it belongs to.
    pub run_id: String,
    /// How often the run was reset before: each reset has a branch and a worktree of its own.
    pub reset: u32,
    /// The branch that the run started from, and where it stood.
    pub base_branch: String,
    /// See `base_branch`.
    pub base_commit: Oid,
    /// The first commit of the run: the base, or the snapshot commit on top of it. Spec and plan are read there.
    pub start_commit: Oid,
    /// The run's branch, without `refs/heads/`.
    pub run_branch: String,
    /// The working tree; canonical.
    #[serde(with = "any_path")]
    pub path: PathBuf,
    /// What the repository's own configuration let git execute when the run began.
    pub drivers: Drivers,
    /// Where the repository borrowed objects from when the run began; none: that was not recorded yet.
    #[serde(default)]
    pub lenders: Option<String>,
}

impl Worktree {
    pub(super) fn branch_ref(&self) -> String {
        branch_ref(&self.run_branch)
    }

    /// What git keeps about it.
    ///
    /// # Errors
    /// Held, when somebody moved the worktree; permanent, when git does not know it, or knows it as somebody else's.
    pub(super) fn admin(&self, repo: &Repo) -> Result<Admin> {
        let lost = |said: &str| {
            GitError::permanent(format!("use the worktree {}", self.path.display()), said)
        };
        let Some(admin) = find(repo, &self.path)? else {
            return Err(match self.moved(repo)? {
                Some(why) => GitError {
                    kind: GitErrorKind::Held,
                    ..lost(&why)
                },
                None => lost("git does not know it (any more)"),
            });
        };
        if admin.owner.as_ref() != Some(&self.owner()) {
            return Err(lost("it does not carry the mark of its run"));
        }
        Ok(admin)
    }

    /// Where somebody moved the worktree to, and what helps; none, where git knows of none of this run at another place.
    pub(super) fn moved(&self, repo: &Repo) -> Result<Option<String>> {
        let elsewhere = owned(repo, &self.owner())?.filter(|it| it.path != self.path);
        Ok(elsewhere.map(|it| {
            let (there, at) = (it.path.display(), self.path.display());
            format!(
                "somebody moved it to {there} (`git worktree move`), and a run works only where its worktree was made; move it back with `git -C {} worktree move -f -f {there} {at}`, then `loopctl resume`; or `loopctl reset` begins again on a new branch",
                repo.common_dir.display()
            )
        }))
    }

    pub(super) fn owner(&self) -> super::admin::Owner {
        super::admin::Owner {
            run_id: self.run_id.clone(),
            reset: self.reset,
        }
    }

    /// Why the worktree cannot be used as the run's; none, where it stands on its branch as loopd left it.
    pub(super) async fn astray(&self, repo: &Repo, admin: &Admin) -> Result<Option<String>> {
        let at = self.path.display();
        if std::fs::symlink_metadata(&self.path).is_err() {
            return Ok(Some(format!(
                "{at} is gone; `loopctl resume` adds it again from {}",
                self.run_branch
            )));
        }
        if !admin.linked_from(&self.path) {
            return Ok(Some(format!(
                "{at}/.git does not lead to the run's worktree any more; restore or remove it"
            )));
        }
        Ok(match admin.head(repo).await? {
            Head::Branch(name) if name == self.branch_ref() => None,
            Head::Branch(name) => {
                let name = name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned();
                Some(format!(
                    "{at} is on {name}, not on {}; switch back with `git switch`",
                    self.run_branch
                ))
            }
            Head::Detached(commit) => Some(format!(
                "{at} is at {commit} and on no branch; switch back with `git switch {}`",
                self.run_branch
            )),
            Head::Unreadable => Some(format!(
                "the HEAD of {at} cannot be read; repair it with `git switch`"
            )),
        })
    }

    /// As [`Worktree::admin`] and [`Worktree::astray`] in one.
    pub(super) async fn standing(&self, repo: &Repo) -> Result<std::result::Result<Admin, String>> {
        let admin = self.admin(repo)?;
        Ok(match self.astray(repo, &admin).await? {
            None => Ok(admin),
            Some(why) => Err(why),
        })
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Paths are bytes; text where they are UTF-8, else a list of numbers.
mod any_path {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn serialize<S: Serializer>(
        path: &std::path::Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let stored = match path.to_str() {
            Some(text) => Stored::Text(text.to_owned()),
            None => Stored::Bytes(path.as_os_str().as_encoded_bytes().to_vec()),
        };
        stored.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Text(text) => text.into(),
            Stored::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}
