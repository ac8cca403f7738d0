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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_of_a_move_only_where_it_leads_there_step_by_step() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("logs")).expect("a directory");
        let oid = |digit: &str| Oid::parse(&digit.repeat(40)).expect("a name");
        let told = |moves: &[(&str, &str)], from: &str, to: &str| {
            let line = |(old, new): &(&str, &str)| format!("{} {} who when\n", oid(old), oid(new));
            let log: String = moves.iter().map(line).collect();
            std::fs::write(dir.path().join("logs/HEAD"), log).expect("a log");
            tells(dir.path(), &oid(from), &oid(to))
        };
        assert!(told(&[("a", "b"), ("b", "c")], "a", "c"));
        assert!(told(&[("a", "f"), ("a", "b")], "a", "b"), "it begins anew");
        assert!(!told(&[("a", "b"), ("b", "c")], "a", "b"), "it went on");
        assert!(
            !told(&[("a", "b"), ("e", "f")], "a", "b"),
            "it was led away"
        );
        assert!(!told(&[], "a", "b"));
    }
}
