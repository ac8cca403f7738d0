//! What a fast-forward of loopd's has left in somebody's checkout when it broke off (git was killed, the disk was full):
//! HEAD has not moved, and files of the merge lie there, some cut off. They are told from a person's work by proof, and
//! taken back.
//!
//! The proof: when the merge was stored, nothing that it touches was changed in there; the index still stands at HEAD; and
//! what lies at a path is what the merge writes there, or the beginning of that (git writes a file from its start), or
//! the beginning of what HEAD has (that is how taking it back may have been cut off), or nothing. So nothing is lost that
//! is in neither commit. A file that anybody touches meanwhile stays, and none is overwritten.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    BrokenOff, GitError, GitErrorKind, Oid, Result,
    cut_off::{Judge, Rendered, Seen, seen},
    forward::{Checkout, bound},
    index::joined,
    repo::{fields, path},
    safe::Safe,
};

/// The modes of what is no file and no link.
const NOTHING: &str = "000000";
const GITLINK: &str = "160000";

/// What became of what was left.
#[derive(Debug)]
pub(super) enum TakenBack {
    /// All of it is gone, or there was nothing: the merge's files are as HEAD has them.
    Done,
    /// Nothing was touched, because other changes lie in the same files.
    Foreign {
        /// Proved to be loopd's.
        ours: Vec<PathBuf>,
        /// Not proved.
        theirs: Vec<PathBuf>,
    },
}

/// A path that a merge touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touched {
    /// There is a file or a link before it.
    pub was: bool,
    /// There is one after it.
    pub will: bool,
}

/// Whether nothing is changed in the checkout, which stands at `from`, of what a merge of `to` touches.
pub(super) async fn is_clean(
    safe: &Safe<'_>,
    checkout: &Checkout,
    from: &Oid,
    to: &Oid,
) -> Result<bool> {
    let touched = touched(safe, from, to).await?;
    let found = Found::of(safe, checkout, &touched).await?;
    Ok(found.changed.is_empty())
}

/// Takes back what a fast-forward has left that broke off; the checkout stands at `tip`.
pub(super) async fn take_back(
    safe: &Safe<'_>,
    checkout: &Checkout,
    broken: &BrokenOff,
    tip: &Oid,
) -> Result<TakenBack> {
    let merged = touched(safe, &broken.old, &broken.new).await?;
    let mut touched = touched(safe, tip, &broken.new).await?;
    touched.retain(|path, _| merged.contains_key(path));
    let found = Found::of(safe, checkout, &touched).await?;
    if found.changed.is_empty() {
        return Ok(TakenBack::Done);
    }
    let written = touched.iter().filter(|(_, it)| it.will);
    let written = written.map(|(path, _)| path.clone()).collect();
    let changed: Vec<(PathBuf, Touched)> = touched
        .into_iter()
        .filter(|(path, _)| found.changed.contains(path))
        .collect();
    let of = |wanted: fn(&Touched) -> bool| {
        let paths = changed.iter().filter(move |(_, it)| wanted(it));
        paths.map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    let (will, was) = (of(|it| it.will), of(|it| it.was));
    let wrote = Rendered::of(safe, checkout, &broken.new, &will).await?;
    let has = Rendered::of(safe, checkout, tip, &was).await?;
    let judge = Judge {
        top: checkout.path.clone(),
        rendered: [wrote, has],
        staged: found.staged,
        will: written,
    };
    let paths = changed.into_iter().map(|(path, _)| path).collect();
    let removed = tokio::task::spawn_blocking(move || judge.remove(paths));
    let removed = removed
        .await
        .map_err(|error| GitError::permanent("look at a checkout", error.to_string()))??;
    if let TakenBack::Done = removed {
        write_again(safe, checkout, &was).await?;
    }
    Ok(removed)
}

/// Writes files of the index that are not there, and notes in the index that they are up to date: git would take one that
/// is longer than it was (with other line ends) for changed. One that somebody has made meanwhile stays.
async fn write_again(safe: &Safe<'_>, checkout: &Checkout, files: &[PathBuf]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let write = bound(safe, checkout, &["checkout-index", "-u", "-z", "--stdin"]);
    let written = write.stdin(joined(files)).slow().ok().await;
    written.map(drop).map_err(|error| match error.kind {
        // Somebody works on the same files: the next try looks again.
        GitErrorKind::Permanent => GitError {
            kind: GitErrorKind::Transient,
            ..error
        },
        GitErrorKind::Transient
        | GitErrorKind::NoSpace
        | GitErrorKind::ReadOnly
        | GitErrorKind::Held
        | GitErrorKind::Denied
        | GitErrorKind::MissingRepo => error,
    })
}

/// What lies between two commits; submodules, which a merge leaves alone, left out.
pub(super) async fn touched(
    safe: &Safe<'_>,
    from: &Oid,
    to: &Oid,
) -> Result<BTreeMap<PathBuf, Touched>> {
    let args = [
        "diff-tree",
        "-r",
        "--raw",
        "-z",
        "--no-renames",
        from.as_str(),
        to.as_str(),
    ];
    let output = safe.repo.call(args).ok().await?;
    let mut touched = BTreeMap::new();
    let mut words = fields(&output.stdout);
    while let (Some(modes), Some(name)) = (words.next(), words.next()) {
        let modes = String::from_utf8_lossy(modes).into_owned();
        let mut modes = modes.trim_start_matches(':').split(' ');
        let (was, will) = (modes.next(), modes.next());
        if was == Some(GITLINK) || will == Some(GITLINK) {
            continue;
        }
        let it = Touched {
            was: was != Some(NOTHING),
            will: will != Some(NOTHING),
        };
        touched.insert(path(name.to_vec()), it);
    }
    Ok(touched)
}

/// Which of some paths are not as HEAD has them.
struct Found {
    /// In the index.
    staged: BTreeSet<PathBuf>,
    /// In the index or on the disk.
    changed: BTreeSet<PathBuf>,
}

impl Found {
    async fn of(
        safe: &Safe<'_>,
        checkout: &Checkout,
        touched: &BTreeMap<PathBuf, Touched>,
    ) -> Result<Found> {
        let status = [
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=no",
            "--no-renames",
            "--ignore-submodules=all",
        ];
        let said = bound(safe, checkout, &status).slow().ok().await?;
        let (mut staged, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for line in fields(&said.stdout) {
            let (Some(marks), Some(name)) = (line.get(..2), line.get(3..)) else {
                continue;
            };
            let name = path(name.to_vec());
            if !touched.contains_key(&name) {
                continue;
            }
            if marks.first() != Some(&b' ') {
                staged.insert(name.clone());
            }
            changed.insert(name);
        }
        // A directory of HEAD's own may lie where the merge puts a file.
        let is_heads = |dir: &PathBuf| {
            let mut all = touched.iter();
            all.any(|(path, it)| it.was && path.starts_with(dir))
        };
        for (name, _) in touched.iter().filter(|(_, it)| !it.was) {
            let there = match seen(&checkout.path, name) {
                Ok(Seen::Nothing) | Err(_) => false,
                Ok(Seen::Directory) => !is_heads(name),
                Ok(Seen::File { .. } | Seen::Link(_) | Seen::Other) => true,
            };
            if there {
                changed.insert(name.clone());
            }
        }
        Ok(Found { staged, changed })
    }
}
