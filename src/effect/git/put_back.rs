//! An advance of a run's worktree that broke off (git was killed, the disk was full): it is noted before it is begun, and
//! what it left is put back before the files are used again. A half-written file would pass for the agent's work, or be in
//! the way of every further try.
//!
//! The tree is loopd's own, but an agent has worked in it. So a file goes only with the proof of `cut_off`: it is in one of
//! the two trees, whole or from its beginning on. Each is judged for itself, and what is somebody's own stays. The note lies
//! where git keeps the worktree; it counts while the branch stands where the advance began, and no longer: then an agent may
//! have been in there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    GitError, GitErrorKind, Oid, Result, Worktree,
    admin::{Admin, write_whole},
    broken_off::{TakenBack, Touched, touched},
    cut_off::{Judge, Rendered, Seen, seen},
    index::OwnIndex,
    safe::Safe,
};

/// In the worktree's admin directory.
const NOTE: &str = "loopd-advance";
/// A note is two names of trees; an agent can write another one.
const NOTE_BYTES: u64 = 1 << 10;

/// An advance that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The tree that the files are taken from.
    from: Oid,
    /// The one that they are taken to.
    to: Oid,
}

/// Puts back what an advance has left that broke off while the run branch stood at `tree`. Call it before the files of the
/// worktree are looked at, and only while no agent is alive in there.
///
/// # Errors
/// Transient, and when the disk is full or read-only. What cannot be looked at stays as it is.
pub(super) async fn put_back(
    safe: &Safe<'_>,
    worktree: &Worktree,
    admin: &Admin,
    tree: &Oid,
) -> Result<()> {
    match Begun::read(admin)? {
        None => Ok(()),
        Some(begun) if begun.from == *tree => begun.undo(safe, worktree.path(), admin).await,
        Some(_) => Begun::over(admin),
    }
}

impl Begun {
    /// Notes an advance, unless something of the worktree's own is in its way, so that git refuses it as a whole. `index` holds
    /// `from`, and `dirty` is what differs from it.
    pub(super) async fn note(
        index: &OwnIndex<'_>,
        admin: &Admin,
        dirty: &[PathBuf],
        from: &Oid,
        to: &Oid,
    ) -> Result<Option<Begun>> {
        let touched = touched(index.safe, from, to).await?;
        let dirty = dirty.iter().cloned().collect();
        let changed = changed(&index.files, &touched, &dirty);
        let is_there = |path: &PathBuf| !matches!(seen(&index.files, path), Ok(Seen::Nothing));
        if changed.iter().any(is_there) {
            return Ok(None);
        }
        let begun = Begun {
            from: from.clone(),
            to: to.clone(),
        };
        let note = admin.dir.join(NOTE);
        let text = serde_json::to_vec(&begun).map_err(|error| {
            GitError::permanent(format!("write {}", note.display()), error.to_string())
        })?;
        write_whole(&note, &text)?;
        Ok(Some(begun))
    }

    /// The files and the index agree with the branch again.
    pub(super) fn over(admin: &Admin) -> Result<()> {
        let note = admin.dir.join(NOTE);
        match fs::remove_file(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(GitError::io("remove", &note, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The advance that was noted last. A note that is none is dropped.
    fn read(admin: &Admin) -> Result<Option<Begun>> {
        let note = admin.dir.join(NOTE);
        let Ok(meta) = fs::symlink_metadata(&note) else {
            return Ok(None);
        };
        let begun = if meta.is_file() && meta.len() <= NOTE_BYTES {
            let text = fs::read(&note).map_err(|error| GitError::io("read", &note, &error))?;
            serde_json::from_slice(&text).ok()
        } else {
            None
        };
        if begun.is_none() && !meta.is_dir() {
            Begun::over(admin)?;
        }
        Ok(begun)
    }

    /// Puts the files back as they were, as far as they are proved to be the advance's; then it is over.
    pub(super) async fn undo(&self, safe: &Safe<'_>, top: &Path, admin: &Admin) -> Result<()> {
        match self.restore(safe, top).await {
            Ok(theirs) if theirs.is_empty() => {}
            Ok(theirs) => {
                tracing::warn!(worktree = %top.display(), ?theirs, "left alone what is not of an advance that broke off");
            }
            // It stays noted: whoever puts right what is wrong gets a further try.
            Err(error) if error.kind == GitErrorKind::Permanent => {
                tracing::warn!(worktree = %top.display(), "an advance broke off, and failed to {error}");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        Begun::over(admin)
    }

    /// The files that are not the advance's, and stay.
    async fn restore(&self, safe: &Safe<'_>, top: &Path) -> Result<BTreeSet<PathBuf>> {
        let touched = touched(safe, &self.from, &self.to).await?;
        let index = OwnIndex::of(safe, top)?;
        index.load(&self.from).await?;
        let dirty = index.dirty().await?.into_iter().collect();
        let changed = changed(top, &touched, &dirty);
        if changed.is_empty() {
            return Ok(BTreeSet::new());
        }
        let of = |wanted: fn(&Touched) -> bool| {
            let is_wanted = |path: &&PathBuf| touched.get(*path).is_some_and(wanted);
            changed
                .iter()
                .filter(is_wanted)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (will, was) = (of(|it| it.will), of(|it| it.was));
        let wrote = Rendered::of_run(safe, &self.to, &will).await?;
        let had = Rendered::of_run(safe, &self.from, &was).await?;
        let written = touched.into_iter().filter(|(_, it)| it.will);
        let judge = Judge {
            top: top.to_owned(),
            rendered: [wrote, had],
            staged: BTreeSet::new(),
            will: written.map(|(path, _)| path).collect(),
        };
        let judged = tokio::task::spawn_blocking(move || {
            let mut theirs = BTreeSet::new();
            for path in changed {
                if let TakenBack::Foreign { .. } = judge.remove(vec![path.clone()])? {
                    theirs.insert(path);
                }
            }
            Ok(theirs)
        });
        let theirs: BTreeSet<PathBuf> = judged
            .await
            .map_err(|error| GitError::permanent("look at a worktree", error.to_string()))??;
        let again: Vec<PathBuf> = was.into_iter().filter(|it| !theirs.contains(it)).collect();
        index.write_some(&again).await?;
        Ok(theirs)
    }
}

/// Which of the touched paths are not as they were. `dirty` are the tracked ones that differ.
fn changed(
    top: &Path,
    touched: &BTreeMap<PathBuf, Touched>,
    dirty: &BTreeSet<PathBuf>,
) -> Vec<PathBuf> {
    let is_changed = |path: &Path, it: &Touched| match it.was {
        true => dirty.contains(path),
        false => match seen(top, path) {
            // A directory of tracked files may lie where a file will be.
            Ok(Seen::Nothing | Seen::Directory) | Err(_) => false,
            Ok(Seen::File { .. } | Seen::Link(_) | Seen::Other) => true,
        },
    };
    let changed = touched.iter().filter(|(path, it)| is_changed(path, it));
    changed.map(|(path, _)| path.clone()).collect()
}
