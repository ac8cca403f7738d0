//! Where the files of a new run may be kept: in a folder of their own in the workspace, and with loopd's data; never in git's
//! own directory, where git removes and rewrites what it finds. A bare repository is nothing else, so that the files of its
//! runs are with loopd's data only.

use std::path::{Component, Path};

use super::error::{CreateError, invalid};
use super::place::Place;
use crate::config::{ArtifactMode, RunConfig};
use crate::effect::git::is_gits_own;
use crate::effect::runs_dir;

/// Settles where the files of the run are kept. What its creator should know of that, where it is not as the configuration
/// has it.
pub(super) fn settle(place: &Place, config: &mut RunConfig) -> Result<Option<String>, CreateError> {
    well_formed(&config.log_dir)?;
    if !place.is_bare() {
        return in_checkout(place, &config.log_dir, config.artifact_mode).map(|()| None);
    }
    let root = place.root.display();
    match config.artifact_mode {
        ArtifactMode::Global => Ok(None),
        ArtifactMode::Workspace => Err(invalid(
            "artifact_mode",
            format!(
                "artifact_mode = \"workspace\" would keep the files of the run in the bare repository {root}, which is git's own directory: git removes and rewrites what it finds there"
            ),
            "choose artifact_mode = \"global\", or ask from a checkout of the repository",
        )),
        // Nobody has named the default.
        ArtifactMode::Mirror if config.log_dir == RunConfig::default().log_dir => {
            config.artifact_mode = ArtifactMode::Global;
            Ok(Some(format!(
                "{root} is a bare repository, and that is git's own directory: the files of the run are kept with loopd's data only, as by artifact_mode = \"global\""
            )))
        }
        ArtifactMode::Mirror => Err(invalid(
            "log_dir",
            format!(
                "log_dir `{}` lies in the bare repository {root}, which is git's own directory: git removes and rewrites what it finds there",
                config.log_dir
            ),
            "choose artifact_mode = \"global\", leave out log_dir, or ask from a checkout of the repository",
        )),
    }
}

/// The place of all runs' files is the daemon's to say; it must not be git's either. `data_dir` is the daemon's own
/// directory, `files_root` where `global_log_dir` leads instead.
pub(super) fn outside_of_git(
    place: &Place,
    data_dir: &Path,
    files_root: Option<&str>,
) -> Result<(), CreateError> {
    let files_root = files_root.map(|root| ("global_log_dir", Path::new(root)));
    for (what, root) in [("the data directory", data_dir)]
        .into_iter()
        .chain(files_root)
    {
        let own = |path: &Path| is_gits_own(&place.repo.common_dir, Some(&place.root), path);
        if own(root) || own(&runs_dir(root)) {
            let message = format!(
                "{what} `{}` lies in git's own directory {}, where git removes and rewrites what it finds, and no files of a run are kept there",
                root.display(),
                place.repo.common_dir.display()
            );
            let hint = "start loopd with another --data-dir, or name another global_log_dir";
            return Err(invalid("files_in_git", message, hint));
        }
    }
    Ok(())
}

fn bad(given: &str, why: &str) -> CreateError {
    invalid(
        "log_dir",
        format!("log_dir `{given}` {why}"),
        "name a folder of its own in the workspace, for example logs/loop",
    )
}

/// A folder below the top, without characters that would mean something else in `info/exclude`.
fn well_formed(given: &str) -> Result<(), CreateError> {
    if given.contains(['*', '?', '[', ']', '\\', '!', '#', '\n', '\r']) {
        return Err(bad(given, "has characters that are patterns to git"));
    }
    let ordinary = |part: Component<'_>| matches!(part, Component::Normal(name) if name != ".git");
    if given.is_empty() || !Path::new(given).components().all(ordinary) {
        return Err(bad(
            given,
            "is not a folder below the top of the workspace, or is git's own",
        ));
    }
    Ok(())
}

/// One of its own: not git's, and not a way out of the workspace.
fn in_checkout(place: &Place, given: &str, mode: ArtifactMode) -> Result<(), CreateError> {
    let mut there = place.root.join(given);
    if is_gits_own(&place.repo.common_dir, Some(&place.root), &there) {
        let common = place.repo.common_dir.display();
        let why = format!(
            "lies in git's own directory {common}, where git removes and rewrites what it finds"
        );
        return Err(bad(given, &why));
    }
    while std::fs::symlink_metadata(&there).is_err() && there.pop() {}
    let is_used = match mode {
        ArtifactMode::Mirror | ArtifactMode::Workspace => true,
        ArtifactMode::Global => false,
    };
    match std::fs::canonicalize(&there) {
        Ok(real) if !real.starts_with(&place.root) => Err(bad(given, "leads out of the workspace")),
        Ok(real) if is_used && !real.is_dir() => {
            let why = format!("cannot be made: {} is no folder", there.display());
            Err(bad(given, &why))
        }
        Err(error) if is_used => {
            let why = format!("cannot be made: {}: {error}", there.display());
            Err(bad(given, &why))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
