//! The lock of an index in somebody's checkout: whether it may go, and whom to ask when it may not.
//!
//! A git of ours that is killed in there cannot remove its lock, and nobody could merge any more. It goes only with proof
//! that nobody alive holds it and that it may be ours: it is our user's, it was not there when the merge was stored, and no
//! git of our user's that lives works in this checkout (one that waits for an editor has closed the file), nor has anybody it
//! open. Other users make no files of ours.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{GitError, Result, at_work::is_git_in};
use crate::effect::proc;

/// How long somebody who works in the checkout is waited for, before a person is asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What has become of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// There was none.
    Nothing,
    /// It had been left, and is removed.
    Removed,
    /// Somebody may hold it.
    Stays,
}

/// Removes a lock that is our user's, was made at `since_ms` (milliseconds since 1970) or later, and is held by nobody.
pub(super) fn remove_left(
    lock: &Path,
    since_ms: i64,
    is_held: impl Fn() -> io::Result<bool>,
) -> Result<Left> {
    let fail = |error: io::Error| GitError::io("look at", lock, &error);
    let meta = match fs::symlink_metadata(lock) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
        Err(error) => return Err(fail(error)),
    };
    let made_ms = meta
        .mtime()
        .saturating_mul(1000)
        .saturating_add(meta.mtime_nsec() / 1_000_000);
    let ours = meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw();
    if !ours || made_ms < since_ms || is_held().map_err(fail)? {
        return Ok(Left::Stays);
    }
    // The same file still: whoever came meanwhile would have made another.
    let again = fs::symlink_metadata(lock).map_err(fail)?;
    if (again.ino(), again.mtime_nsec()) != (meta.ino(), meta.mtime_nsec()) {
        return Ok(Left::Stays);
    }
    fs::remove_file(lock).map_err(fail)?;
    tracing::info!(lock = %lock.display(), "removed the lock that a killed git has left");
    Ok(Left::Removed)
}

/// The index lock of a checkout.
#[derive(Debug)]
pub(super) struct IndexLock<'a> {
    /// The working tree.
    pub tree: &'a Path,
    /// Its git directory, where the lock is.
    pub git_dir: &'a Path,
}

impl IndexLock<'_> {
    fn path(&self) -> PathBuf {
        self.git_dir.join("index.lock")
    }

    /// Whether somebody holds it, or has left it.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok()
    }

    /// Removes a lock that a killed git of ours has left since `since_ms` (milliseconds since 1970), when there was none.
    /// Whether there is none now.
    pub(super) fn clear(&self, since_ms: i64) -> Result<bool> {
        let left = remove_left(&self.path(), since_ms, || Ok(self.holder()?.is_some()))?;
        Ok(left != Left::Stays)
    }

    /// Waits a while for whoever works in there; why a person has to look, when that does not help.
    pub(super) async fn wait(&self) -> Option<(Vec<PathBuf>, String)> {
        let waiting = async {
            while self.is_there() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_ok() {
            return None;
        }
        let path = self.path();
        let at = path.display();
        // What cannot be read is said of nobody.
        let message = match self.holder().ok().flatten() {
            Some(who) => format!("{at} is held by {who}; let it end, then `loopctl resume`"),
            None => format!(
                "{at} is held, or was left by a git that was killed; if no git works in {}, remove the file, then `loopctl resume`",
                self.tree.display()
            ),
        };
        Some((vec![path], message))
    }

    /// Somebody alive who may hold it.
    fn holder(&self) -> io::Result<Option<String>> {
        let lock = self.path();
        for stat in proc::all()? {
            let of = |what: &str| format!("/proc/{}/{what}", stat.identity.pid);
            let open = fs::read_dir(of("fd")).into_iter().flatten().flatten();
            let mut open = open.filter_map(|fd| fs::read_link(fd.path()).ok());
            let places = [self.tree, self.git_dir];
            if is_git_in(&stat, &places) || (stat.alive && open.any(|path| path == lock)) {
                return Ok(Some(proc::describe(&stat)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::git::at_work::tests::{end, waiting};
    use crate::untried::not_tried;

    fn lab() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = dir.path().join("index.lock");
        fs::write(&lock, "").expect("a lock");
        (dir, lock)
    }

    fn of(dir: &tempfile::TempDir) -> IndexLock<'_> {
        IndexLock {
            tree: dir.path(),
            git_dir: dir.path(),
        }
    }

    #[test]
    fn a_lock_goes_when_it_is_younger_than_the_intent_and_nobody_holds_it() {
        let (dir, lock) = lab();
        assert!(of(&dir).clear(0).expect("looks"));
        assert!(!lock.exists());
        assert!(of(&dir).clear(0).expect("looks"), "a repeat is harmless");
    }

    #[test]
    fn one_that_was_there_before_stays() {
        let (dir, lock) = lab();
        assert!(!of(&dir).clear(i64::MAX).expect("looks"));
        assert!(lock.exists());
    }

    #[test]
    fn a_link_and_a_strangers_file_are_no_locks_of_ours() {
        let (dir, lock) = lab();
        let other = dir.path().join("other");
        fs::rename(&lock, &other).expect("moved");
        std::os::unix::fs::symlink(&other, &lock).expect("a link");
        assert!(!of(&dir).clear(0).expect("looks"));
        assert!(lock.is_symlink() && other.exists());
        if rustix::process::geteuid().is_root() {
            fs::remove_file(&lock).expect("removed");
            fs::write(&lock, "").expect("a lock");
            std::os::unix::fs::chown(&lock, Some(1), None).expect("another's");
            assert!(!of(&dir).clear(0).expect("looks"));
            assert!(lock.exists());
        } else {
            not_tried("a file of another user", "only root can give one away");
        }
    }

    #[test]
    fn one_that_was_made_anew_while_it_was_looked_at_stays() {
        let (_dir, lock) = lab();
        let anew = || {
            fs::rename(&lock, lock.with_extension("old"))?;
            fs::write(&lock, "anew")?;
            Ok(false)
        };
        assert_eq!(remove_left(&lock, 0, anew).expect("looks"), Left::Stays);
        assert!(lock.exists());
    }

    #[test]
    fn one_that_somebody_has_open_stays() {
        let (dir, lock) = lab();
        let open = fs::File::open(&lock).expect("open");
        assert!(!of(&dir).clear(0).expect("looks"));
        drop(open);
        assert!(of(&dir).clear(0).expect("looks"));
    }

    #[test]
    fn one_that_a_git_in_there_may_hold_stays_until_it_has_ended() {
        let (dir, lock) = lab();
        let git = waiting(dir.path());
        assert!(!of(&dir).clear(0).expect("looks"));
        end(git);
        assert!(of(&dir).clear(0).expect("looks"));
        assert!(!lock.exists());
    }
}
