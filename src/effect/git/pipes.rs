//! Pipes and devices in the places of files that git reads in every directory of a worktree. Git opens them and waits; an
//! agent can put them there, and a repository has one lane.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{GitError, GitErrorKind, Result};

/// Read in each directory that git goes through.
const READ: [&str; 2] = [".gitignore", ".gitattributes"];

/// Refuses a working tree in which git would wait.
///
/// # Errors
/// Held, naming the first that was found.
pub(super) async fn none_in(top: &Path) -> Result<()> {
    let whole = top.to_owned();
    let looking = tokio::task::spawn_blocking(move || find(whole)).await;
    let Ok(Some(found)) = looking else {
        // What cannot be listed, git cannot go through either.
        return Ok(());
    };
    Err(GitError {
        kind: GitErrorKind::Held,
        tried: format!("look through {}", top.display()),
        said: format!(
            "{} is a pipe or a device, and git would wait for it; remove it, then `loopctl resume`",
            found.display()
        ),
    })
}

fn find(top: PathBuf) -> Option<PathBuf> {
    let mut left = vec![top];
    while let Some(dir) = left.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            match odd(&entry) {
                Ok(Odd::Directory) => left.push(entry.path()),
                Ok(Odd::Yes) => return Some(entry.path()),
                Ok(Odd::No) | Err(_) => {}
            }
        }
    }
    None
}

enum Odd {
    Yes,
    No,
    Directory,
}

fn odd(entry: &fs::DirEntry) -> io::Result<Odd> {
    let (kind, name) = (entry.file_type()?, entry.file_name());
    if kind.is_dir() {
        // Git's own are not part of the working tree.
        return Ok(if name == ".git" {
            Odd::No
        } else {
            Odd::Directory
        });
    }
    let is_plain = kind.is_file() || kind.is_symlink();
    Ok(if !is_plain && READ.iter().any(|it| name == *it) {
        Odd::Yes
    } else {
        Odd::No
    })
}
