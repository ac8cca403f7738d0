//! Makes the files of a worktree what a checkout of its tip would give. Attributes convert on the way in and out (`eol`,
//! `ident`, `working-tree-encoding`), and git compares only on the way in: a file can count as unchanged whose bytes
//! nobody who checks the tip out will ever see. Checks have to run on what everybody else gets.
//!
//! Not here: files that differ from the tip (a change is somebody's work), what is not tracked, and files with a filter:
//! what such a program gives is not for git to say.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    GitError, Oid, Repo, Result, Tip, Worktree, diff::paths_between, index::OwnIndex,
    index::joined, repo::fields, repo::path, safe::Safe,
};

/// Bytes that are compared at a time.
const CHUNK: usize = 64 << 10;

/// Writes anew what a checkout of `tip` would write otherwise; gives the paths. Only what differs from `start` is looked
/// at, or everything where the attributes do. Call it only while no agent is alive in the worktree.
///
/// # Errors
/// Permanent, when the worktree is gone or a file cannot be written; a repeat goes on where it was cut off.
pub async fn check_out_anew(
    repo: &Repo,
    worktree: &Worktree,
    start: &Oid,
    tip: &Tip,
) -> Result<Vec<PathBuf>> {
    let _lane = repo.lane().await;
    let safe = Safe::trusting(repo, &worktree.drivers).await?;
    let mut paths = paths_between(repo, start, &tip.commit).await?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let index = OwnIndex::of(&safe, worktree.path())?;
    index.load(&tip.tree).await?;
    let files = index.plain_files().await?;
    if paths.iter().any(|it| it.ends_with(".gitattributes")) {
        paths = files;
    } else {
        paths.retain(|path| files.contains(path));
    }
    let paths = index.unfiltered(paths.into_iter().collect()).await?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let out = repo.scratch()?;
    index.write_below(out.path(), &paths).await?;
    let mut others = Vec::new();
    for path in paths {
        let (ours, theirs) = (index.files.join(&path), out.path().join(&path));
        let fail = |error: io::Error| GitError::io("compare", &ours, &error);
        if !same(&ours, &theirs).map_err(fail)? {
            others.push(path);
        }
    }
    if others.is_empty() {
        return Ok(others);
    }
    // A change is somebody's, and stays.
    let dirty = index.dirty().await?;
    others.retain(|path| !dirty.contains(path));
    for path in &others {
        let (ours, theirs) = (index.files.join(path), out.path().join(path));
        let fail = |error: io::Error| GitError::io("write", &ours, &error);
        replace(worktree.path(), &ours, &theirs).map_err(fail)?;
    }
    // Known as unchanged, as after a checkout. Anew: git takes a file whose size is another one than it knows for changed,
    // and does not look.
    index.load(&tip.tree).await?;
    let _ = index.dirty().await?;
    index.install(&worktree.admin(repo)?)?;
    Ok(others)
}

impl OwnIndex<'_> {
    /// What the index holds as a regular file.
    async fn plain_files(&self) -> Result<BTreeSet<PathBuf>> {
        let output = self.call(["ls-files", "-z", "--stage"]).slow().ok().await?;
        let files = fields(&output.stdout).filter(|entry| entry.starts_with(b"100"));
        Ok(files
            .filter_map(|entry| entry.splitn(2, |b| *b == b'\t').nth(1))
            .map(|name| path(name.to_vec()))
            .collect())
    }

    /// Of these, the paths that no filter is named for.
    async fn unfiltered(&self, paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
        if paths.is_empty() {
            return Ok(paths);
        }
        let asked = self.call(["check-attr", "-z", "--stdin", "filter"]);
        let said = asked.stdin(joined(&paths)).slow().ok().await?;
        let mut words = fields(&said.stdout);
        let mut plain = Vec::new();
        while let (Some(name), Some(_), Some(value)) = (words.next(), words.next(), words.next()) {
            if matches!(value, b"unspecified" | b"unset") {
                plain.push(path(name.to_vec()));
            }
        }
        Ok(plain)
    }

    /// Writes files as a checkout does, but below another directory.
    async fn write_below(&self, dir: &Path, paths: &[PathBuf]) -> Result<()> {
        let mut prefix = OsStr::new("--prefix=").to_owned();
        prefix.push(dir);
        prefix.push("/");
        let args = ["checkout-index", "--force", "-z", "--stdin"].map(OsStr::new);
        let call = self.call(args.into_iter().chain([prefix.as_os_str()]));
        call.stdin(joined(paths)).slow().ok().await.map(drop)
    }
}

/// Whether both are regular files with the same bytes.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(one).is_ok_and(|meta| meta.is_file()) {
        return Ok(false);
    }
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        a.clear();
        b.clear();
        one.by_ref().take(CHUNK as u64).read_to_end(&mut a)?;
        other.by_ref().take(CHUNK as u64).read_to_end(&mut b)?;
        if a != b || a.is_empty() {
            return Ok(a == b);
        }
    }
}

/// Puts the other content into the place of a file, whole or not at all: cut off, it leaves nothing in the worktree that
/// could be taken for work.
fn replace(top: &Path, ours: &Path, theirs: &Path) -> io::Result<()> {
    let beside = top.parent().unwrap_or(top);
    let mut file = tempfile::Builder::new()
        .prefix(".loopd-")
        .tempfile_in(beside)?;
    io::copy(&mut fs::File::open(theirs)?, file.as_file_mut())?;
    file.as_file()
        .set_permissions(fs::metadata(ours)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(ours).map_err(|error| error.error)?;
    Ok(())
}
