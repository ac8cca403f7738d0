//! Which workspace a person means: the git work tree around the current directory, found by walking up to `.git`, or the bare
//! repository around it, without asking git. Whether it really is one is for the daemon to say.

use std::path::{Path, PathBuf};

/// The nearest directory at or above `start` that holds a `.git` (a directory, or the file of a linked worktree) or is a
/// bare repository; `start` itself when there is none.
pub fn root_of(start: &Path) -> PathBuf {
    let found = start
        .ancestors()
        .find(|dir| dir.join(".git").symlink_metadata().is_ok() || is_bare(dir));
    found.unwrap_or(start).to_owned()
}

/// Whether a directory is git's own and nothing else, by what git itself goes by. One that is called `.git` belongs to what it
/// lies in, which knows whether it has a checkout.
pub fn is_bare(dir: &Path) -> bool {
    dir.file_name().is_none_or(|name| name != ".git")
        && dir.join("HEAD").symlink_metadata().is_ok()
        && dir.join("objects").is_dir()
        && dir.join("refs").is_dir()
}

/// A path that a person typed in `current`, as the daemon wants it: relative to `root` when it is inside, else absolute.
/// `..` is resolved by name only; a path that leaves the workspace is the daemon's to refuse.
pub fn inside(root: &Path, current: &Path, typed: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for part in current.join(typed).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    match clean.strip_prefix(root) {
        Ok(relative) if !relative.as_os_str().is_empty() => relative.to_owned(),
        Ok(_) | Err(_) => clean,
    }
}
