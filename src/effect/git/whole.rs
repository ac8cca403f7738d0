//! Whether what is to be merged is there, whole, and in the repository itself. Git trusts the names of objects when it
//! moves a branch, and whoever may commit may write among the objects: one that is gone, or holds other bytes, or lies
//! only in a place that the repository was told to borrow from, would be a history that nobody can clone.
//!
//! Looked at is what is new since the target; what was there before the run is taken to be there still.

use std::{fs, io, os::unix::fs::symlink, path::Path};

use super::{GitError, GitErrorKind, Oid, Repo, Result};
use crate::bounded;

/// Bytes of a list of places to borrow from.
const MOST: usize = 1 << 20;

/// The places that the repository borrows objects from, as git keeps them: one path for each line.
///
/// # Errors
/// Permanent, when the list is not one, or cannot be read.
pub(super) fn lenders(repo: &Repo) -> Result<String> {
    let file = repo.common_dir.join("objects/info/alternates");
    match bounded::read_regular(&file, MOST) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(GitError::io("read", &file, &error)),
    }
}

/// What is wrong with the objects of `new` that `old` has not, and what to do; none, where all of them are in the
/// repository, or where it borrowed from when the run began (`known`; none: that was not recorded).
///
/// # Errors
/// When git cannot look.
pub(super) async fn lacking(
    repo: &Repo,
    known: Option<&str>,
    new: &Oid,
    old: &Oid,
) -> Result<Option<String>> {
    let now = lenders(repo)?;
    let own = match known {
        Some(known) if known != now => Some(without_lenders(repo, known)?),
        Some(_) | None => None,
    };
    let args = ["rev-list", "--quiet", "--verify-objects", new.as_str()];
    let mut call = repo.call(args.into_iter().chain(["--not", old.as_str()]));
    if let Some((dir, lenders)) = &own {
        call = call
            .env("GIT_OBJECT_DIRECTORY", dir.path())
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", lenders);
    }
    let seen = call.slow().output().await?;
    // Of other bytes than its name says, it tells so and goes on.
    let said = String::from_utf8_lossy(&seen.stderr).into_owned();
    if seen.code == 0 && !said.lines().any(|line| line.starts_with("error:")) {
        return Ok(None);
    }
    if seen.code != 0 && seen.error().kind != GitErrorKind::Permanent {
        return Err(seen.error());
    }
    let why = said.trim().replace('\n', "; ");
    let at = repo.common_dir.display();
    Ok(Some(if own.is_some() {
        format!(
            "{new} needs objects that {at} does not hold itself: it borrows them from a place that was added to \
             {at}/objects/info/alternates since the run began ({why}); `git repack -a -d` copies them, then `loopctl resume`"
        )
    } else {
        format!(
            "{new} cannot be merged, because objects of it are damaged or missing in {at} ({why}); \
             `git fsck` tells which, and when they are back, `loopctl resume`"
        )
    }))
}

/// A directory of objects that is the repository's own without the list of those that it borrows from, and the `known`
/// ones as the environment has them.
fn without_lenders(repo: &Repo, known: &str) -> Result<(tempfile::TempDir, String)> {
    let objects = repo.common_dir.join("objects");
    let dir = repo.scratch()?;
    let link = |entry: &fs::DirEntry| symlink(entry.path(), dir.path().join(entry.file_name()));
    let listed = || -> io::Result<()> {
        for entry in fs::read_dir(&objects)? {
            let entry = entry?;
            if entry.file_name() != "info" {
                link(&entry)?;
            }
        }
        Ok(())
    };
    listed().map_err(|error| GitError::io("look through", &objects, &error))?;
    Ok((dir, in_environment(&objects, known)))
}

/// Relative ones are relative to the directory of the objects.
fn in_environment(objects: &Path, known: &str) -> String {
    let lines = known
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let quoted = lines.map(|line| {
        let path = objects.join(line).display().to_string();
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    });
    quoted.collect::<Vec<_>>().join(":")
}
