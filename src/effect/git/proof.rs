//! The proof that a worktree's files can go: every file on the disk is in a commit, or the base commit's own rules
//! ignore it.
//!
//! The disk is walked by our own hands: what an agent told git to overlook (an exclude file, a flag in an index) counts
//! all the same.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    GitError, Oid, Result,
    index::{OwnIndex, inside, joined},
    refs::tree_of,
    repo::{fields, path},
    safe::Safe,
};

/// So many files are named in a reason.
const NAMED: usize = 5;

/// Why the files below `top` cannot go; none: everything is in `commit`, or ignored by the rules of `base`.
pub(super) async fn unsaved(
    safe: &Safe<'_>,
    top: &Path,
    commit: &Oid,
    base: &Oid,
) -> Result<Option<String>> {
    let index = OwnIndex::of(safe, top)?;
    index.load(&tree_of(safe.repo, commit).await?).await?;
    let mut changed = index.dirty().await?;
    // A file that was deleted is in the commit.
    changed.retain(|path| fs::symlink_metadata(top.join(path)).is_ok());
    if !changed.is_empty() {
        return Ok(Some(format!(
            "it holds uncommitted changes: {}",
            list(&changed)
        )));
    }
    let (tracked, _) = index.tracked().await?;
    let walked = top.to_path_buf();
    let on_disk = tokio::task::spawn_blocking(move || walk(&walked)).await;
    let on_disk =
        on_disk.map_err(|error| GitError::permanent("walk a worktree", error.to_string()))??;
    if let Some(repository) = on_disk.repositories.first() {
        return Ok(Some(format!(
            "it holds a repository of its own: {}",
            repository.display()
        )));
    }
    let others: Vec<PathBuf> = on_disk
        .files
        .into_iter()
        .filter(|path| !tracked.contains(path))
        .collect();
    let ignored = ignored(safe, base, &others).await?;
    let lost: Vec<PathBuf> = others
        .into_iter()
        .filter(|path| !ignored.contains(path))
        .collect();
    if lost.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "it holds files that no commit has: {}",
        list(&lost)
    )))
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string())
        .collect();
    let more = paths.len().saturating_sub(NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("{}{more}", names.join(", "))
}

#[derive(Default)]
struct OnDisk {
    /// Everything that is no directory, relative to the top; its own `.git` is left out.
    files: Vec<PathBuf>,
    /// What has a `.git` inside.
    repositories: Vec<PathBuf>,
}

/// Symlinks are files, and not followed.
fn walk(top: &Path) -> Result<OnDisk> {
    let (mut found, mut left) = (OnDisk::default(), vec![PathBuf::new()]);
    while let Some(dir) = left.pop() {
        let full = top.join(&dir);
        let fail = |error: io::Error| GitError::io("read", &full, &error);
        for entry in fs::read_dir(&full).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let path = dir.join(entry.file_name());
            if entry.file_name() == ".git" {
                if !dir.as_os_str().is_empty() {
                    found.repositories.push(dir.clone());
                }
            } else if entry.file_type().map_err(fail)?.is_dir() {
                left.push(path);
            } else {
                found.files.push(path);
            }
        }
    }
    found.files.sort();
    found.repositories.sort();
    Ok(found)
}

/// Those of `files` that the `.gitignore` files of `base` ignore: asked in a scratch repository which holds nothing
/// else, so that no exclude file of this machine and no rule that came later has a say.
async fn ignored(safe: &Safe<'_>, base: &Oid, files: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let scratch = OwnIndex::without_files(safe)?;
    let top = &scratch.files;
    safe.repo
        .elsewhere(top, ["init", "--quiet", "--template="])
        .ok()
        .await?;
    let listed = safe
        .repo
        .call(["ls-tree", "-r", "-z", "--full-tree", base.as_str()])
        .ok()
        .await?;
    for entry in fields(&listed.stdout) {
        let Some(tab) = entry.iter().position(|b| *b == b'\t') else {
            continue;
        };
        let name = path(entry[tab + 1..].to_vec());
        let head = String::from_utf8_lossy(&entry[..tab]).into_owned();
        let rules =
            name.file_name().is_some_and(|name| name == ".gitignore") && head.starts_with("100");
        if let Some(blob) = head.split(' ').nth(2).filter(|_| rules) {
            inside(&name)?;
            let content = safe
                .repo
                .call(["cat-file", "blob", blob])
                .ok()
                .await?
                .stdout;
            let file = top.join(&name);
            let fail = |error: io::Error| GitError::io("write", &file, &error);
            fs::create_dir_all(file.parent().unwrap_or(top)).map_err(fail)?;
            fs::write(&file, content).map_err(fail)?;
        }
    }
    let ask = safe
        .repo
        .elsewhere(top, ["check-ignore", "--no-index", "-z", "--stdin"]);
    let answer = ask
        .setting("core.excludesFile", "/dev/null")
        .stdin(joined(files))
        .slow()
        .output()
        .await?;
    match answer.code {
        0 | 1 => Ok(fields(&answer.stdout)
            .map(|name| path(name.to_vec()))
            .collect()),
        _ => Err(answer.error()),
    }
}
