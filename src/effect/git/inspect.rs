//! Questions about commits and the files in them. Nothing is changed, no working tree is looked at.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{
    Oid, Repo, Result,
    index::inside,
    refs::oid,
    repo::{fields, path},
};

/// The largest file that [`show`] reads.
pub const FILE_BYTES: usize = 16 << 20;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, the branch's own first.
    pub parents: Vec<Oid>,
    /// Its whole message.
    pub message: String,
}

impl Commit {
    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// A trailer in the message's last paragraph (`Loopd-Run`, `Loopd-Kind`).
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let (_, last) = self.message.trim_end().rsplit_once("\n\n")?;
        last.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::trim)
    }
}

/// The commits that `to` has and `from` has not, oldest first; of more than `max`, the newest.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn commits_between(repo: &Repo, from: &Oid, to: &Oid, max: usize) -> Result<Vec<Commit>> {
    let (count, range) = (format!("--max-count={max}"), format!("{from}..{to}"));
    let options = [
        "--topo-order",
        "--encoding=UTF-8",
        "--format=%H%n%T%n%P%n%B",
    ];
    let args = ["log", "-z", count.as_str()]
        .into_iter()
        .chain(options)
        .chain([range.as_str(), "--"]);
    let output = repo.call(args).ok().await?;
    let mut commits = fields(&output.stdout)
        .map(read)
        .collect::<Result<Vec<_>>>()?;
    commits.reverse();
    Ok(commits)
}

fn read(record: &[u8]) -> Result<Commit> {
    let text = String::from_utf8_lossy(record);
    let mut parts = text.trim_start_matches('\n').splitn(4, '\n');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let tried = "read a commit";
    let (id, tree) = (oid(next(), tried)?, oid(next(), tried)?);
    let parents = next().split_whitespace().filter_map(Oid::parse).collect();
    Ok(Commit {
        id,
        tree,
        parents,
        message: next().trim_end().to_owned(),
    })
}

/// What a commit holds at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// A regular file: its content.
    File(Vec<u8>),
    /// A regular file of more than [`FILE_BYTES`].
    TooLarge,
    /// A directory.
    Directory,
    /// A symbolic link or a submodule.
    NoFile,
}

/// The content of a regular file at a commit, as the commit holds it; none, where there is no such file, or something that
/// [`look`] tells apart.
///
/// # Errors
/// Permanent, when the commit is unknown or the path leads out of the repository.
pub async fn show(repo: &Repo, commit: &Oid, path: &Path) -> Result<Option<Vec<u8>>> {
    Ok(match look(repo, commit, path).await? {
        Shown::File(bytes) => Some(bytes),
        Shown::Nothing | Shown::TooLarge | Shown::Directory | Shown::NoFile => None,
    })
}

/// What stands at a path of a commit; the content of a regular file.
///
/// # Errors
/// Permanent, when the commit is unknown or the path leads out of the repository.
pub async fn look(repo: &Repo, commit: &Oid, path: &Path) -> Result<Shown> {
    inside(path)?;
    let args = ["ls-tree", "-z", "--full-tree", commit.as_str(), "--"].map(OsStr::new);
    let listed = repo
        .call(args.into_iter().chain([path.as_os_str()]))
        .env("GIT_LITERAL_PATHSPECS", "1")
        .ok()
        .await?;
    let line = String::from_utf8_lossy(&listed.stdout).into_owned();
    let Some(blob) = line
        .strip_prefix("100644 blob ")
        .or_else(|| line.strip_prefix("100755 blob "))
    else {
        return Ok(match line.get(..7) {
            None => Shown::Nothing,
            Some("040000 ") => Shown::Directory,
            Some(_) => Shown::NoFile,
        });
    };
    let blob = oid(
        blob.split('\t').next().unwrap_or_default().to_owned(),
        "list a file",
    )?;
    let output = repo
        .call(["cat-file", "blob", blob.as_str()])
        .cap(FILE_BYTES)
        .ok()
        .await?;
    Ok(if output.cut {
        Shown::TooLarge
    } else {
        Shown::File(output.stdout)
    })
}

/// What stands at a path of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A submodule.
    Other,
}

/// A path of a commit, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the top of the repository.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// The longest listing that [`entries_below`] reads.
const LISTING_BYTES: usize = 4 << 20;

/// Everything below a directory at a commit, however deep, in git's order; the path itself, where it is no directory;
/// nothing, where there is none. Of a listing of more than 4 MiB, the beginning.
///
/// # Errors
/// Permanent, when the commit is unknown or the path leads out of the repository.
pub async fn entries_below(repo: &Repo, commit: &Oid, dir: &Path) -> Result<Vec<Entry>> {
    inside(dir)?;
    let args = ["ls-tree", "-r", "-z", "--full-tree", commit.as_str(), "--"].map(OsStr::new);
    let listed = repo
        .call(args.into_iter().chain([dir.as_os_str()]))
        .env("GIT_LITERAL_PATHSPECS", "1")
        .cap(LISTING_BYTES)
        .ok()
        .await?;
    let mut entries: Vec<Entry> = fields(&listed.stdout).filter_map(entry).collect();
    if listed.cut {
        entries.pop();
    }
    Ok(entries)
}

fn entry(line: &[u8]) -> Option<Entry> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    let (head, name) = (line.get(..tab)?, line.get(tab + 1..)?);
    Some(Entry {
        path: path(name.to_vec()),
        kind: match head.get(..3)? {
            b"100" => EntryKind::File,
            b"120" => EntryKind::Link,
            _ => EntryKind::Other,
        },
    })
}

/// Whether `of` contains everything that `ancestor` does. In a shallow repository, no may mean that nobody knows.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn is_ancestor(repo: &Repo, ancestor: &Oid, of: &Oid) -> Result<bool> {
    repo.call([
        "merge-base",
        "--is-ancestor",
        ancestor.as_str(),
        of.as_str(),
    ])
    .yes()
    .await
}

/// The newest commit that both contain; none, where their histories are strangers. Of several, git's first.
///
/// # Errors
/// Permanent, when either is unknown.
pub async fn merge_base(repo: &Repo, one: &Oid, other: &Oid) -> Result<Option<Oid>> {
    let output = repo
        .call(["merge-base", one.as_str(), other.as_str()])
        .output()
        .await?;
    match output.code {
        0 => Ok(Oid::parse(String::from_utf8_lossy(&output.stdout).trim())),
        1 => Ok(None),
        _ => Err(output.error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_from_the_last_paragraph_only() {
        let id = "a1".repeat(20);
        let record = format!(
            "{id}\n{id}\n{id} {id}\nLoopd-Run: fake\n\nbody\n\nLoopd-Run: r1\nLoopd-Kind: plan\n"
        );
        let commit = read(record.as_bytes()).unwrap();
        assert_eq!(commit.parents.len(), 2);
        assert_eq!(commit.trailer("Loopd-Run"), Some("r1"));
        assert_eq!(commit.trailer("Loopd-Kind"), Some("plan"));
        assert_eq!(commit.trailer("Loopd"), None);
        assert_eq!(commit.subject(), "Loopd-Run: fake");
    }
}
