//! An index of our own over a working tree: what it holds compared with a tree, without git ever opening the `.git`,
//! the index or the worktree configuration that an agent may have changed in there.
//!
//! Which tree to compare with, and what a difference means, is not known here. Submodules are looked at only by their
//! HEAD: git would start itself inside of one to learn more, under that repository's configuration.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    GitError, Oid, Result,
    call::Call,
    refs::oid,
    repo::{fields, path},
    safe::Safe,
};

/// The mode of a submodule's entry.
const GITLINK: &[u8] = b"160000";

/// What an agent can set in a repository's configuration must not hide a change; and a run works on all files.
const SETTINGS: &[(&str, &str)] = &[
    ("core.sparseCheckout", "false"),
    ("core.splitIndex", "false"),
    ("core.ignoreStat", "false"),
];

/// A scratch index; gone when dropped.
#[derive(Debug)]
pub(super) struct OwnIndex<'s> {
    pub safe: &'s Safe<'s>,
    /// The working tree that it is about.
    pub files: PathBuf,
    scratch: TempDir,
}

impl<'s> OwnIndex<'s> {
    /// Over the working tree `files`.
    pub(super) fn of(safe: &'s Safe<'s>, files: &Path) -> Result<OwnIndex<'s>> {
        Ok(OwnIndex {
            safe,
            files: files.into(),
            scratch: safe.repo.scratch()?,
        })
    }

    /// Over no files: only trees are worked on.
    pub(super) fn without_files(safe: &'s Safe<'s>) -> Result<OwnIndex<'s>> {
        let scratch = safe.repo.scratch()?;
        let files = scratch.path().join("files");
        fs::create_dir(&files).map_err(|error| GitError::io("create", &files, &error))?;
        Ok(OwnIndex {
            safe,
            files,
            scratch,
        })
    }

    /// The directory that it lies in; over no files, `files` is in there, too.
    pub(super) fn into_scratch(self) -> TempDir {
        self.scratch
    }

    pub(super) fn file(&self) -> PathBuf {
        self.scratch.path().join("index")
    }

    pub(super) fn call<I, S>(&self, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        // By this change of directory, git takes paths as relative to the top of the working tree.
        let args: Vec<_> = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        let here = [
            OsStr::new("-C").to_owned(),
            self.files.clone().into_os_string(),
        ];
        let call = self.safe.call(here.into_iter().chain(args));
        let call = SETTINGS
            .iter()
            .fold(call, |call, (key, value)| call.setting(key, value));
        call.env("GIT_WORK_TREE", &self.files)
            .env("GIT_INDEX_FILE", self.file())
    }

    /// The index is exactly this tree.
    pub(super) async fn load(&self, tree: &Oid) -> Result<()> {
        self.call(["read-tree", tree.as_str()])
            .slow()
            .ok()
            .await
            .map(drop)
    }

    /// The tree that the index stands for.
    pub(super) async fn write_tree(&self) -> Result<Oid> {
        oid(
            self.call(["write-tree"]).slow().text().await?,
            "write a tree",
        )
    }

    /// Tracked paths whose files differ from the index: changed, gone, or of another kind.
    pub(super) async fn dirty(&self) -> Result<Vec<PathBuf>> {
        self.call(["update-index", "-q", "--refresh"])
            .slow()
            .output()
            .await
            .and_then(|refreshed| {
                // 1 only says that something differs.
                if matches!(refreshed.code, 0 | 1) {
                    Ok(())
                } else {
                    Err(refreshed.error())
                }
            })?;
        let diff = [
            "diff-files",
            "--name-only",
            "-z",
            "--ignore-submodules=dirty",
        ];
        let output = self.call(diff).slow().ok().await?;
        let paths: BTreeSet<&[u8]> = fields(&output.stdout).collect();
        Ok(paths.into_iter().map(|name| path(name.to_vec())).collect())
    }

    /// Everything that the index holds, and what of it is a submodule.
    pub(super) async fn tracked(&self) -> Result<(BTreeSet<PathBuf>, Vec<PathBuf>)> {
        let output = self.call(["ls-files", "-z", "--stage"]).slow().ok().await?;
        let (mut all, mut links) = (BTreeSet::new(), Vec::new());
        for entry in fields(&output.stdout) {
            let Some(tab) = entry.iter().position(|b| *b == b'\t') else {
                continue;
            };
            let name = path(entry[tab + 1..].to_vec());
            if entry.starts_with(GITLINK) {
                links.push(name.clone());
            }
            all.insert(name);
        }
        Ok((all, links))
    }

    /// Files that are neither tracked nor ignored; an embedded repository is one entry that ends in a slash.
    pub(super) async fn untracked(&self) -> Result<Vec<PathBuf>> {
        let output = self
            .call(["ls-files", "-z", "--others", "--exclude-standard"])
            .slow()
            .ok()
            .await?;
        Ok(fields(&output.stdout)
            .map(|name| path(name.to_vec()))
            .collect())
    }

    /// Whether something stands at the path that no commit can hold: a pipe, a socket, a device.
    pub(super) fn is_odd(&self, path: &Path) -> bool {
        let kind = fs::symlink_metadata(self.files.join(path)).map(|meta| meta.file_type());
        kind.is_ok_and(|it| !(it.is_file() || it.is_symlink() || it.is_dir()))
    }

    /// Takes files of the working tree as they are, and forgets those that are gone. What no commit can hold (a pipe, a
    /// socket) is gone, too.
    pub(super) async fn update(&self, paths: &[PathBuf]) -> Result<()> {
        let (odd, held): (Vec<&PathBuf>, Vec<&PathBuf>) =
            paths.iter().partition(|path| self.is_odd(path));
        let take: &[&str] = &["--add", "--remove", "--replace"];
        for (paths, how) in [(held, take), (odd, &["--force-remove"])] {
            if paths.is_empty() {
                continue;
            }
            let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
            let args = ["update-index"].iter().chain(how).chain(&["-z", "--stdin"]);
            self.call(args).stdin(joined(&paths)).slow().ok().await?;
        }
        Ok(())
    }

    /// Puts content, as a commit holds it, at a path of the index; no working tree is looked at. The file's mode stays.
    pub(super) async fn put(&self, file: &Path, content: &[u8]) -> Result<()> {
        inside(file)?;
        let hash = self.call(["hash-object", "-w", "--no-filters", "-t", "blob", "--stdin"]);
        let blob = hash.stdin(content.to_vec());
        let blob = oid(blob.text().await?, "store a file")?;
        let now = self.call(
            ["ls-files", "-z", "--stage", "--"]
                .map(OsStr::new)
                .into_iter()
                .chain([file.as_os_str()]),
        );
        let now = now.env("GIT_LITERAL_PATHSPECS", "1").ok().await?.stdout;
        let mode = if now.starts_with(b"100755") {
            "100755"
        } else {
            "100644"
        };
        let mut entry = format!("{mode} {blob}\t").into_bytes();
        entry.extend_from_slice(file.as_os_str().as_bytes());
        entry.push(0);
        let args = ["update-index", "--add", "--replace", "-z", "--index-info"];
        self.call(args).stdin(entry).ok().await.map(drop)
    }

    /// Writes the attributes of the index where git looks for them, and no other file.
    pub(super) async fn write_attributes(&self) -> Result<()> {
        let (tracked, _) = self.tracked().await?;
        let is_one = |path: &PathBuf| path.file_name().is_some_and(|it| it == ".gitattributes");
        let attributes: Vec<PathBuf> = tracked.into_iter().filter(is_one).collect();
        self.write_some(&attributes).await
    }

    /// Writes some files of the index where nothing is.
    ///
    /// # Errors
    /// Permanent, when something is at one of the places; the others are written.
    pub(super) async fn write_some(&self, files: &[PathBuf]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let args = ["checkout-index", "--quiet", "-z", "--stdin"];
        let call = self.call(args).stdin(joined(files));
        call.slow().ok().await.map(drop)
    }

    /// Writes every file of the index, over whatever is there.
    pub(super) async fn write_files(&self) -> Result<()> {
        self.call(["checkout-index", "--all", "--force", "--index", "--quiet"])
            .slow()
            .ok()
            .await
            .map(drop)
    }
}

/// Paths as git reads them with `-z`.
pub(super) fn joined(paths: &[PathBuf]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Refuses a path that would leave the working tree or reach into a `.git`.
pub(super) fn inside(file: &Path) -> Result<()> {
    let normal = |part: Component<'_>| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git"));
    if file.as_os_str().is_empty() || !file.components().all(normal) {
        let said = "it must be relative and stay inside of the working tree";
        return Err(GitError::permanent(
            format!("use the path {}", file.display()),
            said,
        ));
    }
    Ok(())
}
