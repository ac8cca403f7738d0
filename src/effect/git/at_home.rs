//! Whether a branch was moved where it belongs: by somebody who works in the checkout that is on it.
//!
//! Git notes in the log of a checkout's HEAD what was done in that checkout, and in no other log of that kind. A step that
//! is fenced in can move the branches of other runs, but writes neither into their checkouts nor into those logs: what such
//! a log tells of was done by a person, or by that run itself.

use std::path::Path;

use super::{
    FILE_BYTES, Oid, Repo, Result, Worktree,
    admin::{Head, all},
    refs::{branch_ref, symbolic},
};
use crate::bounded;

/// Whether a checkout that is on the branch, and is not `own`, tells that its HEAD went from one commit to the other.
///
/// # Errors
/// When git cannot read the repository.
pub async fn moved_at_home(
    repo: &Repo,
    own: &Worktree,
    branch: &str,
    from: &Oid,
    to: &Oid,
) -> Result<bool> {
    let full = branch_ref(branch);
    let on_it = symbolic(repo, "HEAD").await?.as_deref() == Some(&*full);
    if on_it && !repo.bare && tells(&repo.common_dir, from, to) {
        return Ok(true);
    }
    for admin in all(repo)? {
        let others = admin.owner.as_ref() != Some(&own.owner());
        if others
            && tells(&admin.dir, from, to)
            && admin.head(repo).await? == Head::Branch(full.clone())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the log of this HEAD leads from one commit to the other, entry by entry. One that cannot be read tells nothing.
fn tells(git_dir: &Path, from: &Oid, to: &Oid) -> bool {
    let log = bounded::read_regular(&git_dir.join("logs/HEAD"), FILE_BYTES).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let moves = log.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?))
    });
    let mut at = None;
    for (old, new) in moves {
        // It begins anew with the last entry that starts there.
        at = match (old == from.as_str(), at) {
            (true, _) => Some(new),
            (false, Some(last)) if last == old => Some(new),
            (false, _) => None,
        };
    }
    at == Some(to.as_str())
}
