//! The path that a person gives for a worktree, as what it really is: absolute, symlinks and `..` resolved as far as it
//! exists. It is only ever compared with paths that are recorded; nothing is removed by the name that was given.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::error::CleanError;

/// Bytes of a path: Linux takes no longer one.
const MOST_BYTES: usize = 4096;

/// What the path may be recorded as: what it leads to, and, where that is something else, what it says.
pub(super) fn meant(given: &str) -> Result<Vec<PathBuf>, CleanError> {
    let bad = |what: &str| CleanError::BadPath {
        path: given.chars().take(200).collect(),
        what: what.to_owned(),
    };
    let path = Path::new(given);
    if given.contains('\0') || given.len() > MOST_BYTES {
        return Err(bad("has a NUL in it, or more than 4096 bytes"));
    }
    if !path.is_absolute() {
        return Err(bad("is not absolute; `loopctl worktrees` shows the paths"));
    }
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let mut meant = match fs::canonicalize(path) {
        Ok(real) => vec![real],
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            if climbs {
                return Err(bad(
                    "has `..` in it and does not exist; write what it means",
                ));
            }
            vec![from_what_exists(path)]
        }
        Err(error) => return Err(bad(&format!("cannot be looked at: {error}"))),
    };
    // A worktree whose directory was replaced by a link is still recorded by its own name.
    let said: PathBuf = path.components().collect();
    if !climbs && !meant.contains(&said) {
        meant.push(said);
    }
    Ok(meant)
}

/// A path that does not exist, with what exists of it as it really is.
fn from_what_exists(path: &Path) -> PathBuf {
    let there = path
        .ancestors()
        .find_map(|start| Some((start, fs::canonicalize(start).ok()?)));
    match there {
        Some((start, real)) => match path.strip_prefix(start) {
            Ok(rest) => real.join(rest),
            Err(_) => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_for_what_it_leads_to_and_for_what_it_says() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = fs::canonicalize(dir.path()).expect("a real path");
        fs::create_dir_all(top.join("real/tree")).expect("a directory");
        std::os::unix::fs::symlink(top.join("real"), top.join("link")).expect("a link");
        let of = |path: &str| meant(&format!("{}/{path}", top.display()));
        let real = top.join("real/tree");
        assert_eq!(
            of("real/tree/").expect("a path"),
            std::slice::from_ref(&real)
        );
        assert_eq!(
            of("real/../real/./tree").expect("a path"),
            std::slice::from_ref(&real)
        );
        assert_eq!(
            of("link/tree").expect("a path"),
            [real, top.join("link/tree")]
        );
        assert_eq!(
            of("link/gone/deep").expect("a path"),
            [top.join("real/gone/deep"), top.join("link/gone/deep")]
        );
        for (wrong, said) in [("gone/../real/tree", "does not exist"), ("a\0b", "NUL")] {
            assert!(
                of(wrong).is_err_and(|e| e.to_string().contains(said)),
                "{wrong:?}"
            );
        }
        assert!(meant("tree").is_err_and(|e| e.to_string().contains("not absolute")));
        assert!(meant(&"/x".repeat(4000)).is_err());
    }
}
