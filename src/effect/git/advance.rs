//! Takes the files of a run's worktree from one tree to another, and makes its own index agree.
//!
//! As git does it for a switch of branches: whole, or not at all, and never over a change. Which tree comes next is
//! decided elsewhere.

use std::{fs, io, path::PathBuf};

use super::{
    GitError, GitErrorKind, Oid, Result, admin::Admin, diff::paths_between, index::OwnIndex,
    put_back::Begun,
};

/// Whether the files of a working tree went from one tree to another.
#[derive(Debug)]
pub(super) enum Advanced {
    Done,
    /// Something of the worktree's own is in the way; nothing was written.
    Blocked {
        files: Vec<PathBuf>,
        message: String,
    },
}

impl OwnIndex<'_> {
    /// Takes the working tree from one tree to another, as a switch of branches does: files that do not differ between
    /// the two stay, changed or not; a changed or untracked file in the way blocks it. What it leaves when it breaks off
    /// is put back by whoever comes next ([`put_back`](super::put_back::put_back)); it is over when the index is installed.
    pub(super) async fn advance(&self, admin: &Admin, from: &Oid, to: &Oid) -> Result<Advanced> {
        self.load(from).await?;
        let before = self.dirty().await?;
        let begun = Begun::note(self, admin, &before, from, to).await?;
        let args = ["read-tree", "-m", "-u", from.as_str(), to.as_str()];
        let moved = self.call(args).slow().output().await?;
        if moved.code == 0 {
            return Ok(Advanced::Done);
        }
        let error = moved.error();
        if error.kind != GitErrorKind::Permanent {
            return Err(error);
        }
        // A crash may have come after this very step: then there is nothing left to write.
        let changed = paths_between(self.safe.repo, from, to).await?;
        self.load(to).await?;
        let still: Vec<PathBuf> = self
            .dirty()
            .await?
            .into_iter()
            .filter(|path| changed.contains(path))
            .collect();
        let (kept, _) = self.tracked().await?;
        let gone = changed.iter().filter(|path| !kept.contains(*path));
        let left = gone
            .filter(|path| fs::symlink_metadata(self.files.join(path)).is_ok())
            .cloned();
        if still.is_empty() && left.count() == 0 {
            return Ok(Advanced::Done);
        }
        let files = before
            .into_iter()
            .filter(|path| changed.contains(path))
            .collect();
        if let Some(begun) = begun {
            begun.undo(self.safe, &self.files, admin).await?;
        }
        Ok(Advanced::Blocked {
            files,
            message: error.said,
        })
    }

    /// Makes the worktree's own index agree with this one, under git's own lock.
    pub(super) fn install(&self, admin: &Admin) -> Result<()> {
        let lock = admin.index_lock();
        let fail = |error: io::Error| GitError::io("write", &lock, &error);
        let mut copy = tempfile::Builder::new()
            .prefix("loopd-index")
            .tempfile_in(&admin.dir)
            .map_err(fail)?;
        let mut from = fs::File::open(self.file()).map_err(fail)?;
        io::copy(&mut from, copy.as_file_mut()).map_err(fail)?;
        copy.as_file().sync_all().map_err(fail)?;
        // A link never replaces a lock that somebody holds.
        match fs::hard_link(copy.path(), &lock) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(admin.locked());
            }
            Err(error) => return Err(fail(error)),
        }
        fs::rename(&lock, admin.dir.join("index")).map_err(fail)?;
        Begun::over(admin)
    }
}
