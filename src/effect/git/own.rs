//! What is git's own: where a path really leads, and whether that lies in the directory that git keeps a repository in.
//! Git prunes, packs and rewrites in there as it likes (a file below `logs` is a reflog to it, one below `refs` a branch), so
//! nothing of a run may be put there. What loopd has there by design goes through git's own rooms: refs, the marks of
//! worktrees in their admin directories, one line in `info/exclude`.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Whether what is written at `path` would lie in git's own directory: at or below `common_dir`, whatever links are on the
/// way. A work tree that somebody has put below that directory (`project/main` of the bare repository `project`) is no
/// part of it: its files are as safe as any others, where `checkout` names it.
pub fn is_gits_own(common_dir: &Path, checkout: Option<&Path>, path: &Path) -> bool {
    let real = real_path(path);
    let is_checked_out = checkout.is_some_and(|top| {
        top != common_dir && top.starts_with(common_dir) && real.starts_with(top)
    });
    real.starts_with(common_dir) && !is_checked_out
}

/// Resolves symlinks in the part of an absolute path that exists, and `..` in the rest.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let mut real = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            Component::Normal(name) => {
                real.push(name);
                real = fs::canonicalize(&real).unwrap_or(real);
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_judged_by_where_it_leads_and_a_checkout_in_there_is_none_of_gits() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = dir.path().canonicalize().expect("a real path");
        let (git, checkout) = (top.join("project"), top.join("project/main"));
        fs::create_dir_all(git.join("refs")).expect("a directory");
        fs::create_dir_all(&checkout).expect("a directory");
        std::os::unix::fs::symlink(&git, top.join("link")).expect("a link");
        for (path, is_own) in [
            ("project", true),
            ("project/refs/not/there", true),
            ("link/logs", true),
            ("project/main/../refs", true),
            ("project/main/logs", false),
            ("project/main", false),
            ("project/mainly", true),
            ("projects", false),
            ("link/../logs", false),
        ] {
            let found = is_gits_own(&git, Some(&checkout), &top.join(path));
            assert_eq!(found, is_own, "{path}");
        }
        // Who was asked from the repository itself has no checkout.
        assert!(is_gits_own(&git, Some(&git), &git.join("logs")));
        assert!(is_gits_own(&git, None, &checkout.join("logs")));
    }
}
