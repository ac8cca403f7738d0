//! What went wrong with git: what was tried, what git said, and whether trying again can help.
//!
//! Outcomes that are no failures (a conflict, a moved target, something held for a person) are values of their own
//! functions, never errors.

use std::{fmt, io, path::Path};

/// Whether, and how, a failed call can ever succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitErrorKind {
    /// Somebody holds a lock, or the call ran out of time: the same call may succeed later.
    Transient,
    /// The same call fails again until somebody changes something.
    Permanent,
    /// The disk or a quota is full.
    NoSpace,
    /// The file system takes no writes at present.
    ReadOnly,
    /// A person has to put right what somebody has done to a run's branch.
    Held,
    /// The repository, or the directory that was given, is not there.
    MissingRepo,
    /// It is there, and the user that loopd runs as may not use it.
    Denied,
}

/// A failed call. Its text is a lowercase fragment that follows "failed to".
#[derive(Clone, Debug, thiserror::Error)]
#[error("{tried}: {said}")]
pub struct GitError {
    /// Whether trying again can help.
    pub kind: GitErrorKind,
    /// What was tried, naming the repository, ref or path.
    pub tried: String,
    /// What git (or the system) said, shortened; or what to do about it.
    pub said: String,
}

/// At most so many bytes of what git said are kept: its last lines hold the reason.
const EXCERPT_BYTES: usize = 2000;

impl GitError {
    pub(super) fn permanent(tried: impl Into<String>, said: impl Into<String>) -> Self {
        GitError {
            kind: GitErrorKind::Permanent,
            tried: tried.into(),
            said: said.into(),
        }
    }

    pub(super) fn transient(tried: impl Into<String>, said: impl Into<String>) -> Self {
        GitError {
            kind: GitErrorKind::Transient,
            tried: tried.into(),
            said: said.into(),
        }
    }

    /// A call of git that ended with a failure, classified by its words (they are stable under `LC_ALL=C`); where they
    /// tell of a write without saying why it failed, by whether there is room at all.
    pub(super) fn said(tried: String, stderr: &[u8], is_full: impl FnOnce() -> bool) -> Self {
        GitError {
            kind: classify(stderr, is_full),
            tried,
            said: excerpt(stderr),
        }
    }

    /// A repository that was there is not there any more, or not whole; `said` is what shows it.
    pub(super) fn missing(repository: &Path, said: &str) -> Self {
        GitError {
            kind: GitErrorKind::MissingRepo,
            tried: format!("find the repository {}", repository.display()),
            said: format!(
                "{said}; it was moved, removed or damaged: put it back (`git fsck` in there has to find it whole)"
            ),
        }
    }

    /// The user that loopd runs as may not use `place`.
    pub(super) fn denied(tried: impl Into<String>, place: &Path) -> Self {
        GitError {
            kind: GitErrorKind::Denied,
            tried: tried.into(),
            said: format!(
                "permission denied: {} cannot be used as the user that loopd runs as (uid {}); give it back with `chmod` or `chown`, nothing else is wrong with it",
                place.display(),
                rustix::process::geteuid().as_raw()
            ),
        }
    }

    /// A call of git that was ended by a signal: it has answered nothing.
    pub(super) fn killed(tried: String, signal: Option<i32>, stderr: &[u8]) -> Self {
        let by = match signal {
            Some(9) => "signal 9 (SIGKILL); where it was not a person, the machine may be out of memory (see `journalctl -k`)".to_owned(),
            Some(25) => "signal 25 (SIGXFSZ); a limit on the size of files is too small for it (see `ulimit -f`)".to_owned(),
            Some(signal) => format!("signal {signal}"),
            None => "a signal".to_owned(),
        };
        let words = match excerpt(stderr) {
            words if words == NO_REASON => String::new(),
            words => format!("; its last words: {words}"),
        };
        let said = format!("it was killed by {by}; a further try may get through{words}");
        GitError::transient(tried, said)
    }

    /// A failure of the system around a file of ours.
    pub(super) fn io(doing: impl fmt::Display, path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return GitError::denied(format!("{doing} {}", path.display()), path);
        }
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => GitErrorKind::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => GitErrorKind::ReadOnly,
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => GitErrorKind::Transient,
            _ => GitErrorKind::Permanent,
        };
        GitError {
            kind,
            tried: format!("{doing} {}", path.display()),
            said: error.to_string(),
        }
    }
}

/// A write that failed, in git's words for it.
const UNWRITTEN: &[&str] = &[
    "unable to write",
    "failed to write",
    "write error",
    "could not write",
];
/// Why a write failed, where that is not the disk.
const REFUSED: &[&str] = &[
    "Permission denied",
    "insufficient permission",
    "Operation not permitted",
    "Is a directory",
    "Not a directory",
    "File name too long",
];
/// An object that was there a moment ago is gone: somebody's `git gc --prune=now` takes what nothing refers to yet. The
/// next try makes it anew.
const PRUNED: &[&str] = &[
    "error building trees",
    "nonexistent object",
    "is not a valid object",
];

fn classify(stderr: &[u8], is_full: impl FnOnce() -> bool) -> GitErrorKind {
    let text = String::from_utf8_lossy(stderr);
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if has(&[
        "No space left on device",
        "Disk quota exceeded",
        // Where a write comes to nothing, git has words of its own.
        "Out of diskspace",
    ]) {
        GitErrorKind::NoSpace
    } else if text.contains("Read-only file system") {
        GitErrorKind::ReadOnly
    } else if has(&["not a git repository", "cannot change to"]) {
        GitErrorKind::MissingRepo
    } else if text.contains(".lock") && has(&["File exists", "Another git process"]) {
        GitErrorKind::Transient
    } else if has(UNWRITTEN) && !has(REFUSED) {
        // Without proof it may pass, and passes for a while only.
        match is_full() {
            true => GitErrorKind::NoSpace,
            false => GitErrorKind::Transient,
        }
    } else if has(PRUNED) {
        GitErrorKind::Transient
    } else {
        GitErrorKind::Permanent
    }
}

/// What is said where git says nothing.
const NO_REASON: &str = "git gave no reason";

/// The end of what git said, on one line of text: control characters and broken UTF-8 made harmless.
pub(super) fn excerpt(stderr: &[u8]) -> String {
    let tail = &stderr[stderr.len().saturating_sub(EXCERPT_BYTES)..];
    let text: Vec<String> = String::from_utf8_lossy(tail)
        .lines()
        .map(|line| {
            line.trim_end()
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
        })
        .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
        .collect();
    if text.is_empty() {
        NO_REASON.into()
    } else {
        text.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_somebody_holds_is_transient_and_a_full_disk_is_named() {
        let held = b"fatal: Unable to create '/r/.git/index.lock': File exists.\n\nAnother git process seems to be running";
        assert_eq!(classify(held, || false), GitErrorKind::Transient);
        let lock_ref = b"fatal: cannot lock ref 'refs/heads/a': Unable to create '/r/refs/heads/a.lock': File exists.";
        assert_eq!(classify(lock_ref, || false), GitErrorKind::Transient);
        for full in [
            "error: x: No space left on device",
            "fatal: sha1 file '/r/index.lock' write error. Out of diskspace",
        ] {
            assert_eq!(classify(full.as_bytes(), || false), GitErrorKind::NoSpace);
        }
        assert_eq!(
            classify(b"fatal: cannot lock ref 'refs/heads/a': Unable to create '/r/refs/heads/a.lock': Read-only file system", || false),
            GitErrorKind::ReadOnly
        );
        assert_eq!(
            classify(b"fatal: not a git repository: '/x'", || false),
            GitErrorKind::MissingRepo
        );
        assert_eq!(
            classify(b"fatal: bad object", || false),
            GitErrorKind::Permanent
        );
    }

    #[test]
    fn a_write_that_failed_without_a_reason_is_the_full_disk_only_where_the_disk_is_full() {
        for words in [
            "error: unable to write file big.bin",
            "error: unable to write loose object file",
            "fatal: unable to write new index file",
            "fatal: failed to write commit object",
            "error: file write error",
        ] {
            let stderr = words.as_bytes();
            assert_eq!(classify(stderr, || true), GitErrorKind::NoSpace, "{words}");
            assert_eq!(
                classify(stderr, || false),
                GitErrorKind::Transient,
                "{words}"
            );
        }
        let refused = b"error: unable to write loose object file: Permission denied";
        assert_eq!(classify(refused, || true), GitErrorKind::Permanent);
        assert_eq!(
            classify(b"fatal: bad object", || true),
            GitErrorKind::Permanent
        );
    }

    #[test]
    fn an_object_that_somebody_pruned_is_made_anew_by_the_next_try() {
        for words in [
            "error: invalid object 100644 87c9 for 'a-plan.md'\nfatal: git-write-tree: error building trees",
            "fatal: update_ref failed for ref 'refs/heads/a': cannot update ref 'refs/heads/a': trying to write ref 'refs/heads/a' with nonexistent object 87c9",
            "fatal: 87c9 is not a valid object",
        ] {
            assert_eq!(
                classify(words.as_bytes(), || false),
                GitErrorKind::Transient,
                "{words}"
            );
        }
    }

    #[test]
    fn what_the_system_says_of_a_file_passes_when_the_disk_does() {
        for (kind, expected) in [
            (io::ErrorKind::StorageFull, GitErrorKind::NoSpace),
            (io::ErrorKind::QuotaExceeded, GitErrorKind::NoSpace),
            (io::ErrorKind::ReadOnlyFilesystem, GitErrorKind::ReadOnly),
            (io::ErrorKind::Interrupted, GitErrorKind::Transient),
            (io::ErrorKind::PermissionDenied, GitErrorKind::Denied),
            (io::ErrorKind::InvalidInput, GitErrorKind::Permanent),
        ] {
            let error = GitError::io("write", Path::new("/r/f"), &kind.into());
            assert_eq!(error.kind, expected, "{kind:?}");
            assert_eq!(error.tried, "write /r/f");
        }
    }

    #[test]
    fn an_excerpt_is_one_line_without_hints_and_keeps_the_end() {
        assert_eq!(excerpt(b"hint: try\nfatal: a\tb\n"), "fatal: a b");
        assert_eq!(excerpt(b""), "git gave no reason");
        let long = [b"x".repeat(5000), b"\nfatal: the end\n".to_vec()].concat();
        assert!(excerpt(&long).ends_with("fatal: the end"));
    }
}
