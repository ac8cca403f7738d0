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

    /// A call of git that ended with a failure, classified by its words (they are stable under `LC_ALL=C`).
    pub(super) fn said(tried: String, stderr: &[u8]) -> Self {
        GitError {
            kind: classify(stderr),
            tried,
            said: excerpt(stderr),
        }
    }

    /// A failure of the system around a file of ours.
    pub(super) fn io(doing: impl fmt::Display, path: &Path, error: &io::Error) -> Self {
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

fn classify(stderr: &[u8]) -> GitErrorKind {
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
    } else {
        GitErrorKind::Permanent
    }
}

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
        "git gave no reason".into()
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
        assert_eq!(classify(held), GitErrorKind::Transient);
        let lock_ref = b"fatal: cannot lock ref 'refs/heads/a': Unable to create '/r/refs/heads/a.lock': File exists.";
        assert_eq!(classify(lock_ref), GitErrorKind::Transient);
        for full in [
            "error: x: No space left on device",
            "fatal: sha1 file '/r/index.lock' write error. Out of diskspace",
        ] {
            assert_eq!(classify(full.as_bytes()), GitErrorKind::NoSpace);
        }
        assert_eq!(
            classify(b"fatal: cannot lock ref 'refs/heads/a': Unable to create '/r/refs/heads/a.lock': Read-only file system"),
            GitErrorKind::ReadOnly
        );
        assert_eq!(
            classify(b"fatal: not a git repository: '/x'"),
            GitErrorKind::MissingRepo
        );
        assert_eq!(classify(b"fatal: bad object"), GitErrorKind::Permanent);
    }

    #[test]
    fn an_excerpt_is_one_line_without_hints_and_keeps_the_end() {
        assert_eq!(excerpt(b"hint: try\nfatal: a\tb\n"), "fatal: a b");
        assert_eq!(excerpt(b""), "git gave no reason");
        let long = [b"x".repeat(5000), b"\nfatal: the end\n".to_vec()].concat();
        assert!(excerpt(&long).ends_with("fatal: the end"));
    }
}
