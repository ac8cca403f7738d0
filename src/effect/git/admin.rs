//! What git keeps about a worktree (`<common>/worktrees/<x>`), and loopd's mark in there.
//!
//! The mark has two steps. The reason of git's own lock is written by `worktree add` before anything else: a worktree
//! that is half made is recognised by it. The file `loopd` follows when the worktree is complete; from then on an agent
//! may have been in it, and its files are never written as a matter of course. The lock also keeps a stray
//! `git worktree prune` from forgetting a run's worktree.

use std::{
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{GitError, Oid, Repo, Result, call::Call, refs::oid};
use crate::bounded;

/// The mark of a complete worktree.
const MARK: &str = "loopd";
/// What the reason of git's lock starts with.
const WORDS: &str = "loopd run ";
/// Bytes of a file that holds one path, or one mark: more is none.
const MOST: usize = 64 << 10;

/// Whose worktree it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub run_id: String,
    pub reset: u32,
}

impl Owner {
    /// The text of the mark and of the lock.
    pub(super) fn words(&self) -> String {
        format!("{WORDS}{} {}", self.run_id, self.reset)
    }

    fn parse(text: &str) -> Option<Owner> {
        let (run_id, reset) = text.trim_end().strip_prefix(WORDS)?.rsplit_once(' ')?;
        Some(Owner {
            run_id: run_id.to_owned(),
            reset: reset.parse().ok()?,
        })
    }
}

/// Where a worktree's HEAD stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A full ref name; it may be unborn.
    Branch(String),
    Detached(Oid),
    Unreadable,
}

/// One linked worktree, as git knows it.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    /// `<common>/worktrees/<x>`.
    pub dir: PathBuf,
    /// The working tree that it is about; it may be gone.
    pub path: PathBuf,
    /// The run that made it; none for a worktree of the user's.
    pub owner: Option<Owner>,
    /// It was handed out at least once.
    pub complete: bool,
}

impl Admin {
    /// A call in the name of this worktree. `GIT_COMMON_DIR` is given: the worktree's own word for it is not asked.
    pub(super) fn call<'a>(&self, repo: &Repo, args: impl IntoIterator<Item = &'a str>) -> Call {
        repo.call(args)
            .env("GIT_DIR", &self.dir)
            .env("GIT_COMMON_DIR", &repo.common_dir)
    }

    pub(super) async fn head(&self, repo: &Repo) -> Result<Head> {
        let name = self
            .call(repo, ["symbolic-ref", "--quiet", "HEAD"])
            .output()
            .await?;
        if name.code == 0 {
            return Ok(Head::Branch(
                String::from_utf8_lossy(&name.stdout)
                    .trim_end_matches('\n')
                    .to_owned(),
            ));
        }
        let commit = self
            .call(repo, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
            .output()
            .await?;
        Ok(match commit.code {
            0 => Head::Detached(oid(
                String::from_utf8_lossy(&commit.stdout).into_owned(),
                "read HEAD",
            )?),
            _ => Head::Unreadable,
        })
    }

    /// The working tree's `.git` is the file that leads here.
    pub(super) fn linked_from(&self, path: &Path) -> bool {
        let link = path.join(".git");
        // Whoever works there can put anything into its place.
        let is_file = fs::symlink_metadata(&link).is_ok_and(|meta| meta.is_file());
        let Ok(text) = bounded::read_regular(&link, MOST) else {
            return false;
        };
        let Some(target) = text.strip_prefix(b"gitdir: ") else {
            return false;
        };
        let target = path.join(bytes_path(target));
        is_file && fs::canonicalize(target).is_ok_and(|target| target == self.dir)
    }

    /// The worktree is complete: from now on it may be an agent's.
    pub(super) fn mark(&self, owner: &Owner) -> Result<()> {
        write_whole(
            &self.dir.join(MARK),
            format!("{}\n", owner.words()).as_bytes(),
        )
    }

    /// A lock file that somebody left, or holds, on the worktree's index.
    pub(super) fn index_lock(&self) -> PathBuf {
        self.dir.join("index.lock")
    }

    /// Refuses to go on while somebody writes the worktree's index.
    pub(super) fn unlocked(&self) -> Result<()> {
        if fs::symlink_metadata(self.index_lock()).is_ok() {
            Err(self.locked())
        } else {
            Ok(())
        }
    }

    /// Somebody writes the worktree's index.
    pub(super) fn locked(&self) -> GitError {
        let tried = format!("use the index of {}", self.path.display());
        let said = format!(
            "{} is held, or was left behind by a killed git",
            self.index_lock().display()
        );
        GitError::transient(tried, said)
    }
}

/// All linked worktrees of a repository, in the order of their names.
pub(super) fn all(repo: &Repo) -> Result<Vec<Admin>> {
    let parent = repo.common_dir.join("worktrees");
    let entries = match fs::read_dir(&parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(GitError::io("read", &parent, &error)),
    };
    let mut dirs: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    dirs.sort();
    Ok(dirs.into_iter().filter_map(read).collect())
}

/// The linked worktree at this path.
pub(super) fn find(repo: &Repo, path: &Path) -> Result<Option<Admin>> {
    Ok(all(repo)?.into_iter().find(|admin| admin.path == path))
}

/// The linked worktree of this owner.
pub(super) fn owned(repo: &Repo, owner: &Owner) -> Result<Option<Admin>> {
    Ok(all(repo)?
        .into_iter()
        .find(|admin| admin.owner.as_ref() == Some(owner)))
}

fn read(dir: PathBuf) -> Option<Admin> {
    let link = dir.join(bytes_path(
        &bounded::read_regular(&dir.join("gitdir"), MOST).ok()?,
    ));
    let parent = link.parent()?;
    // What is gone cannot be made canonical; git wrote it so.
    let path = fs::canonicalize(parent).unwrap_or_else(|_| parent.to_path_buf());
    let said = |name: &str| {
        let text = bounded::read_regular(&dir.join(name), MOST).ok()?;
        Owner::parse(&String::from_utf8(text).ok()?)
    };
    let mark = said(MARK);
    Some(Admin {
        path,
        complete: mark.is_some(),
        owner: mark.or_else(|| said("locked")),
        dir,
    })
}

/// A path as git writes it into a file: its last newline is not part of it.
fn bytes_path(bytes: &[u8]) -> PathBuf {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}

/// Writes a file so that a reader sees the old content or the new, never a part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |error: io::Error| GitError::io("write", path, &error);
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    name.insert(0, b'.');
    let mut file = tempfile::Builder::new()
        .prefix(std::ffi::OsStr::from_bytes(&name))
        .tempfile_in(dir)
        .map_err(fail)?;
    io::Write::write_all(&mut file, bytes).map_err(fail)?;
    if let Ok(meta) = fs::metadata(path) {
        file.as_file()
            .set_permissions(meta.permissions())
            .map_err(fail)?;
    }
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_run_and_nothing_else_is_one() {
        let owner = Owner {
            run_id: "0192-ab".into(),
            reset: 2,
        };
        assert_eq!(Owner::parse(&format!("{}\n", owner.words())), Some(owner));
        for other in [
            "",
            "loopd run ",
            "loopd run x",
            "on a stick",
            "loopd run x y",
        ] {
            assert_eq!(Owner::parse(other), None, "{other:?}");
        }
    }
}
