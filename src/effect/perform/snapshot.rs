//! The snapshot of a spec and a plan that no commit has: where it is kept until the run branch's first commit holds it, and
//! where it is found when it is needed again.

use std::path::{Path, PathBuf};

use super::desk::{Desk, oid};
use super::trouble::{io_trouble, trouble};
use crate::core::run::{RunId, Spec, Trouble, TroubleKind};
use crate::effect::files::run_dir;
use crate::effect::git::{self, Repo};

/// The spec and the plan as they were when the run was created: kept then beside the run's files; where those were cleaned
/// up, as the first commit of an earlier branch of the run holds them.
pub(super) async fn snapshot_files(
    desk: &Desk<'_>,
    repo: &Repo,
) -> Result<Vec<(PathBuf, Vec<u8>)>, Trouble> {
    let spec = &desk.order.run.spec;
    if !spec.snapshot {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for path in [&spec.spec_path, &spec.plan_path] {
        let kept = snapshot_path(&desk.world.data_dir, &desk.order.run.id, spec, path);
        let bytes = match std::fs::read(&kept) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                earlier(desk, repo, path).await?
            }
            Err(error) => {
                let tried = format!("read the snapshot {}", kept.display());
                return Err(io_trouble(tried)(error));
            }
        };
        files.push((PathBuf::from(path), bytes));
    }
    Ok(files)
}

/// A file of the snapshot, out of an earlier branch of the run.
async fn earlier(desk: &Desk<'_>, repo: &Repo, path: &str) -> Result<Vec<u8>, Trouble> {
    let facts = desk.facts();
    for worktree in facts.emptied.iter().chain(&facts.abandoned).rev() {
        let start = oid(&worktree.start_commit)?;
        // A commit that is gone is no worse than a file that is not in it.
        if let Ok(Some(bytes)) = git::show(repo, &start, Path::new(path)).await {
            return Ok(bytes);
        }
    }
    Err(trouble(
        TroubleKind::NeedsPerson,
        "worktree_held",
        format!(
            "the snapshot of {path} is gone, and no earlier branch of the run holds it; create the run anew"
        ),
    ))
}

/// Where the snapshot of a workspace file is kept until the run branch's first commit holds it.
pub fn snapshot_path(data_dir: &Path, run: &RunId, spec: &Spec, path: &str) -> PathBuf {
    run_dir(data_dir, run, spec).join("snapshot").join(path)
}
