//! Whether a repository is closed to the user that loopd runs as. Git has many words for that, and most of them say
//! something else (that there is no repository, that a ref cannot be locked): so the places are opened, and the system says.
//!
//! What the rights should be is for a person: nothing is changed here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// What every call of git reads, in git's own directory.
const READ: &[&str] = &[
    "HEAD",
    "config",
    "objects",
    "refs",
    "refs/heads",
    "worktrees",
];
/// Where git writes what a run commits, moves or adds; what is not there is made in what it lies in.
const WRITTEN: &[&str] = &[
    "",
    "objects",
    "refs",
    "refs/heads",
    "logs",
    "logs/refs/heads",
    "worktrees",
];

/// What is there and cannot be looked into: a directory, or the first thing of what git keeps for it. It may be a checkout,
/// something inside one, or git's own directory.
pub(super) fn closed(place: &Path) -> Option<PathBuf> {
    let git_dir = git_dir(place);
    let inside = READ.iter().map(|name| git_dir.join(name));
    let mut all = [place.to_owned(), git_dir.clone()]
        .into_iter()
        .chain(inside);
    all.find(|it| is_closed(it))
}

/// The first place of a repository that git would write to and this user may not.
pub(super) fn kept_from_writing(place: &Path) -> Option<PathBuf> {
    let git_dir = git_dir(place);
    let mut inside = WRITTEN.iter().map(|name| git_dir.join(name));
    inside.find(|it| {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        accessat(CWD, it, wanted, AtFlags::EACCESS) == Err(rustix::io::Errno::ACCESS)
    })
}

/// Git's own directory of what `place` lies in; `place` itself, where none is found above it.
fn git_dir(place: &Path) -> PathBuf {
    let mut inside = place.ancestors().map(|dir| dir.join(".git"));
    let found = inside.find(|it| match fs::symlink_metadata(it) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    });
    found
        .filter(|_| !place.join("objects").exists())
        .unwrap_or_else(|| place.to_owned())
}

fn is_closed(path: &Path) -> bool {
    let opened = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => fs::read_dir(path).map(drop),
        // Opening a pipe would wait for whoever writes into it.
        Ok(meta) if meta.is_file() => fs::File::open(path).map(drop),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
