//! The lock of a ref that is a run's own: removed when a killed git has left it.
//!
//! A git that is killed in the midst of moving a ref leaves `<ref>.lock` behind, and nobody can ever move that ref again.
//! It goes only with proof that nobody holds it: it is our user's, and no git of theirs that lives works anywhere in this
//! repository. loopd's own calls work in the common directory, so that one that has outlived its daemon counts, too.

use std::path::PathBuf;

use super::{
    Repo, Result,
    admin::all,
    at_work::is_git_in,
    stale::{Left, remove_left},
};
use crate::effect::proc;

/// Removes the lock of a ref (its full name) if it was left behind; the lock, when it did.
pub(super) async fn clear(repo: &Repo, name: &str) -> Result<Option<PathBuf>> {
    let lock = repo.common_dir.join(format!("{name}.lock"));
    let places = places(repo).await?;
    let is_busy = || Ok(proc::all()?.iter().any(|stat| is_git_in(stat, &places)));
    let left = remove_left(&lock, i64::MIN, is_busy)?;
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
