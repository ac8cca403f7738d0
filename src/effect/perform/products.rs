//! What checks leave in the worktree that git does not ignore: reports, caches, things they built. Nobody's work: loopd
//! does not commit it, or the next checks would be blamed for changing tracked files. Nothing is removed here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::desk::Desk;
use crate::core::run::Trouble;
use crate::effect::files::private_dir;
use crate::effect::git::{self, Repo};
use crate::effect::keeper::OsText;

use super::note::{read_json, write_json};
use super::trouble::io_trouble;

/// What was there already when the checks began, in their step's directory.
const BEFORE: &str = "untracked.json";
/// All that checks of this run have left, in its state directory.
const KNOWN: &str = "left-by-checks.json";

/// Notes what is there before the checks begin.
pub(super) async fn note_before(
    repo: &Repo,
    worktree: &git::Worktree,
    dir: &Path,
) -> Result<(), Trouble> {
    let there = git::untracked(repo, worktree).await?;
    write_json(&dir.join(BEFORE), &texts(there))
}

/// Notes what is new when the checks have ended.
pub(super) async fn note_after(
    desk: &Desk<'_>,
    repo: &Repo,
    worktree: &git::Worktree,
    dir: &Path,
) -> Result<(), Trouble> {
    let before: BTreeSet<OsText> = read_json(&dir.join(BEFORE))?;
    let mut left = texts(known(desk)?);
    let now = texts(git::untracked(repo, worktree).await?);
    left.extend(now.into_iter().filter(|path| !before.contains(path)));
    let state = desk.files.state_dir();
    private_dir(&state).map_err(io_trouble(format!("make {}", state.display())))?;
    write_json(&state.join(KNOWN), &left)
}

/// What checks of this run have left so far.
pub(super) fn known(desk: &Desk<'_>) -> Result<Vec<PathBuf>, Trouble> {
    let path = desk.files.state_dir().join(KNOWN);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let left: BTreeSet<OsText> = read_json(&path)?;
    Ok(left.iter().map(|path| path.as_path().to_owned()).collect())
}

/// Paths in a form that can be written down whatever their bytes are.
fn texts(paths: Vec<PathBuf>) -> BTreeSet<OsText> {
    paths.into_iter().map(OsText::from).collect()
}
