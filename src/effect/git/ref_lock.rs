//! The lock of a ref that is a run's own: removed when a killed git has left it.
//!
//! A git that is killed in the midst of moving a ref leaves `<ref>.lock` behind, and nobody can ever move that ref again.
//! It goes only with proof that nobody holds it: it is our user's, and no git that lives works anywhere in this repository.
//! loopd's own calls work in the common directory, so that one that has outlived its daemon counts, too.

use std::{fs, io, path::PathBuf};

use super::{
    Repo, Result,
    admin::all,
    stale::{Left, remove_left},
};
use crate::effect::proc;

/// Removes the lock of a ref (its full name) if it was left behind; the lock, when it did.
pub(super) async fn clear(repo: &Repo, name: &str) -> Result<Option<PathBuf>> {
    let lock = repo.common_dir.join(format!("{name}.lock"));
    let places = places(repo).await?;
    let left = remove_left(&lock, i64::MIN, || is_busy(&places))?;
    Ok((left == Left::Removed).then_some(lock))
}

/// Where somebody may work in this repository.
async fn places(repo: &Repo) -> Result<Vec<PathBuf>> {
    let mut places: Vec<PathBuf> = all(repo)?.into_iter().map(|admin| admin.path).collect();
    // However the repository was opened, the user's own checkout is one of them.
    places.extend(repo.primary().await?);
    places.push(repo.common_dir.clone());
    Ok(places)
}

/// Whether a git that lives works in one of these. One whose place cannot be seen may.
fn is_busy(places: &[PathBuf]) -> io::Result<bool> {
    let works_in_there = |pid: i32| match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(cwd) => places.iter().any(|place| cwd.starts_with(place)),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    Ok(proc::all()?.iter().any(|stat| {
        let is_git = stat.name == "git" || stat.name.starts_with("git-");
        stat.alive && is_git && works_in_there(stat.identity.pid)
    }))
}
