//! What lies between two commits: the paths, a stable name for the whole change, and text to read.
//!
//! Plumbing: it runs no external diff and no text conversion, which an agent could have configured.

use std::{collections::BTreeSet, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{
    Oid, Repo, Result,
    repo::{fields, path},
};

/// A diff to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The text; what is not UTF-8 in it is replaced.
    pub text: String,
    /// It was longer than asked for, and ends in the middle.
    pub cut: bool,
}

/// Of every comparison: whole trees, and submodules among them whatever is configured.
const PLAIN: &[&str] = &["diff-tree", "-r", "--ignore-submodules=none"];

/// The paths that differ between two commits or trees; a renamed file counts with both names.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn changed_paths(repo: &Repo, from: &Oid, to: &Oid) -> Result<Vec<PathBuf>> {
    Ok(paths_between(repo, from, to).await?.into_iter().collect())
}

pub(super) async fn paths_between(repo: &Repo, from: &Oid, to: &Oid) -> Result<BTreeSet<PathBuf>> {
    let options = [
        "--no-renames",
        "--name-only",
        "-z",
        from.as_str(),
        to.as_str(),
    ];
    let output = repo.call(PLAIN.iter().copied().chain(options)).ok().await?;
    Ok(fields(&output.stdout)
        .map(|name| path(name.to_vec()))
        .collect())
}

/// A name (64 hex digits) for the change between two commits: the same paths with the same content before and after
/// give the same name, whoever committed it and when.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn diff_id(repo: &Repo, from: &Oid, to: &Oid) -> Result<String> {
    let options = [
        "--no-renames",
        "--raw",
        "--no-abbrev",
        "-z",
        from.as_str(),
        to.as_str(),
    ];
    let output = repo.call(PLAIN.iter().copied().chain(options)).ok().await?;
    Ok(Sha256::digest(&output.stdout)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The change between two commits as text, at most `max_bytes` of it.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn diff(repo: &Repo, from: &Oid, to: &Oid, max_bytes: usize) -> Result<Diff> {
    let options = ["--patch", "--find-renames", from.as_str(), to.as_str()];
    let output = repo
        .call(PLAIN.iter().copied().chain(options))
        .cap(max_bytes)
        .ok()
        .await?;
    Ok(Diff {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        cut: output.cut,
    })
}
