//! Everything that a working tree holds, as one tree: what `git add -A` gives, with repositories inside of it treated
//! so that no file is lost and git is not started in them.
//!
//! A submodule (an entry of the branch's own) follows its HEAD. A repository that an agent left embedded is no
//! submodule: its files are taken, its own history is not. Another worktree of the same repository is left out.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    Oid, Result,
    admin::{Admin, all},
    index::{OwnIndex, joined},
    repo::{fields, path},
};

impl OwnIndex<'_> {
    /// The tree of the working tree's present content, ignored files and new ones in `except` left out. The index must
    /// hold the tip.
    pub(super) async fn take_all(&self, except: &[PathBuf]) -> Result<Oid> {
        let (tracked, links) = self.tracked().await?;
        let except: Vec<&PathBuf> = except.iter().filter(|p| !tracked.contains(*p)).collect();
        let embedded: Vec<PathBuf> = self
            .untracked()
            .await?
            .into_iter()
            .filter(|path| is_embedded(path) && !except.contains(&path))
            .collect();
        let mut pathspecs = b".\0".to_vec();
        let odd: Vec<PathBuf> = tracked
            .iter()
            .filter(|path| self.is_odd(path))
            .cloned()
            .collect();
        for kept_out in links.iter().chain(&embedded).chain(&odd).chain(except) {
            pathspecs.extend_from_slice(b":(top,exclude,literal)");
            pathspecs.extend_from_slice(&joined(std::slice::from_ref(kept_out)));
        }
        let add = [
            "add",
            "--all",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
        ];
        self.call(add).stdin(pathspecs).slow().ok().await?;
        self.update(&odd).await?;
        self.follow(&links).await?;
        let own = self.worktrees_inside()?;
        for repository in embedded
            .into_iter()
            .filter(|repository| !own.contains(repository))
        {
            self.update(&self.files_of(repository).await?).await?;
        }
        self.write_tree().await
    }

    /// Worktrees of this very repository that an agent put into its own: their files belong to their own branches.
    fn worktrees_inside(&self) -> Result<Vec<PathBuf>> {
        let all = all(self.safe.repo)?.into_iter();
        let relative = |admin: Admin| {
            admin
                .path
                .strip_prefix(&self.files)
                .map(Path::to_path_buf)
                .ok()
        };
        Ok(all.filter_map(relative).collect())
    }

    async fn follow(&self, links: &[PathBuf]) -> Result<()> {
        let (mut moved, mut gone) = (Vec::new(), Vec::new());
        for link in links {
            match below(&self.files, link) {
                None => gone.push(link.clone()),
                Some(meta) if !meta.is_dir() || self.files.join(link).join(".git").exists() => {
                    moved.push(link.clone())
                }
                // Not populated: as the branch has it.
                Some(_) => {}
            }
        }
        if !gone.is_empty() {
            let args = ["update-index", "--force-remove", "-z", "--stdin"];
            self.call(args).stdin(joined(&gone)).ok().await?;
        }
        self.update(&moved).await
    }

    /// The files of an embedded repository, and of those inside of it, relative to the top; its own rules ignore.
    async fn files_of(&self, repository: PathBuf) -> Result<Vec<PathBuf>> {
        let (mut files, mut left) = (Vec::new(), vec![repository]);
        while let Some(dir) = left.pop() {
            let inner = OwnIndex::of(self.safe, &self.files.join(&dir))?;
            let listed = inner
                .call(["ls-files", "-z", "--others", "--exclude-standard"])
                .slow()
                .ok()
                .await?;
            for name in fields(&listed.stdout) {
                let full = dir.join(path(name.to_vec()));
                if is_embedded(&full) {
                    left.push(full)
                } else {
                    files.push(full)
                }
            }
        }
        Ok(files)
    }
}

/// How git lists a repository among untracked files.
fn is_embedded(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// What is at `relative`, reached through real directories only.
fn below(top: &Path, relative: &Path) -> Option<fs::Metadata> {
    let mut at = top.to_path_buf();
    let mut found = None;
    for part in relative.components() {
        if found.is_some_and(|meta: fs::Metadata| !meta.is_dir()) {
            return None;
        }
        at.push(part);
        found = Some(fs::symlink_metadata(&at).ok()?);
    }
    found
}
