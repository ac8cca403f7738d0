//! The lock of a ref that is a run's own: removed when a killed git has left it.
//!
//! A git that is killed in the midst of moving a ref leaves `<ref>.lock` behind, and nobody can ever move that ref again.
//! It goes only with proof that nobody holds it: it is our user's, and no git that lives works anywhere in this repository.
//! loopd's own calls work in the common directory, so that one that has outlived its daemon counts, too.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{GitError, Repo, Result, admin::all};
use crate::effect::proc;

/// Removes the lock of a ref (its full name) if it was left behind; the lock, when it did.
pub(super) fn clear(repo: &Repo, name: &str) -> Result<Option<PathBuf>> {
    let lock = repo.common_dir.join(format!("{name}.lock"));
    let fail = |error: io::Error| GitError::io("look at", &lock, &error);
    let meta = match fs::symlink_metadata(&lock) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let ours = meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw();
    if !ours || is_busy(repo)? {
        return Ok(None);
    }
    // The same file still: whoever came meanwhile would have made another.
    let again = fs::symlink_metadata(&lock).map_err(fail)?;
    if (again.ino(), again.mtime_nsec()) != (meta.ino(), meta.mtime_nsec()) {
        return Ok(None);
    }
    fs::remove_file(&lock).map_err(fail)?;
    tracing::info!(lock = %lock.display(), "removed the lock that a killed git has left");
    Ok(Some(lock))
}

/// Whether a git that lives works in this repository. One whose place cannot be seen may.
fn is_busy(repo: &Repo) -> Result<bool> {
    let mut places: Vec<PathBuf> = all(repo)?.into_iter().map(|admin| admin.path).collect();
    places.extend(repo.toplevel.clone());
    places.push(repo.common_dir.clone());
    let works_in_there = |pid: i32| match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(cwd) => places.iter().any(|place| cwd.starts_with(place)),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    let processes =
        proc::all().map_err(|error| GitError::io("look at", Path::new("/proc"), &error))?;
    Ok(processes.iter().any(|stat| {
        let is_git = stat.name == "git" || stat.name.starts_with("git-");
        stat.alive && is_git && works_in_there(stat.identity.pid)
    }))
}
