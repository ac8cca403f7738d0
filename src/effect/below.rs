//! Directories below one that is somebody else's: a repository, a workspace. They are made one level after the other, and
//! the one that they are below never is: whoever moves it away for a moment finds its place empty.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes `top/below` and what is missing between them, with this mode as far as the umask leaves it.
///
/// # Errors
/// `NotFound` when `top` is gone; else what the system says.
pub(super) fn make_below(top: &Path, below: &Path, mode: u32) -> io::Result<()> {
    let mut made = top.to_owned();
    for level in below {
        made.push(level);
        match DirBuilder::new().mode(mode).create(&made) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_made_and_what_it_is_below_never() {
        let dir = tempfile::tempdir().expect("a directory");
        let make = |top: &str| make_below(&dir.path().join(top), Path::new("a/b"), 0o700);
        make("").expect("made");
        make("").expect("it is there");
        assert!(dir.path().join("a/b").is_dir());
        let gone = make("gone").expect_err("there is none");
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        assert!(!dir.path().join("gone").exists());
    }
}
