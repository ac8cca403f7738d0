//! Makes the run's branch and worktree, or makes sure that they are as recorded.

use std::path::{Path, PathBuf};

use super::Done;
use super::desk::{Desk, read_record};
use super::trouble::{io_trouble, trouble};
use crate::config::{WorktreeNames, render_worktree_path};
use crate::core::run::{Event, Trouble, TroubleKind, Worktree};
use crate::effect::git::{self, Prepared, Repo, Want};

/// Prepares branch and worktree.
pub(super) async fn prepare(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    let run = &desk.order.run;
    let known = match &desk.facts().worktree {
        Some(worktree) => Some(read_record(worktree)?),
        None => None,
    };
    let snapshot = snapshot_files(desk)?;
    let slug = slug(&run.spec.name);
    let name = repo_name(&repo, &run.spec.workspace_root);
    let place = |branch: &str| {
        render_worktree_path(
            &run.spec.worktree_path_template,
            WorktreeNames {
                repo: &name,
                run_branch: branch,
                run_id: &run.id.0,
                run_name: &run.spec.name,
            },
        )
        .map(PathBuf::from)
        .map_err(|error| error.to_string())
    };
    let want = Want {
        run_id: &run.id.0,
        reset: u32::try_from(desk.facts().abandoned.len()).unwrap_or(u32::MAX),
        slug: &slug,
        run_branch_prefix: &run.spec.run_branch_prefix,
        base_branch: run.spec.base_branch.as_deref(),
        known: known.as_ref(),
        place: &place,
        snapshot: &snapshot,
    };
    let made = match git::prepare_worktree(&repo, &want).await? {
        Prepared::Ready(made) => made,
        Prepared::Held { why } => {
            return Err(trouble(TroubleKind::NeedsPerson, "worktree_held", why));
        }
    };
    if let Err(error) = git::exclude_line(
        &repo,
        &format!("/{}/", desk.config.log_dir.trim_matches('/')),
    )
    .await
    {
        // Only the look of `git status` depends on it.
        tracing::warn!(run = %run.id, %error, "failed to keep the run's files out of git status");
    }
    let worktree = recorded(desk, &made)?;
    Ok(Done::event(
        Event::WorktreeReady {
            generation: desk.generation(),
            worktree,
        },
        "ready",
    ))
}

fn recorded(desk: &Desk<'_>, made: &git::Worktree) -> Result<Worktree, Trouble> {
    let record = serde_json::to_string(made).map_err(|error| {
        trouble(
            TroubleKind::Permanent,
            "worktree_unreadable",
            format!("failed to record the worktree: {error}"),
        )
    })?;
    let spec = &desk.order.run.spec;
    Ok(Worktree {
        base_branch: made.base_branch.clone(),
        base_commit: made.base_commit.to_string(),
        run_branch: made.run_branch.clone(),
        merge_target_branch: spec
            .merge_target_branch
            .clone()
            .unwrap_or_else(|| format!("agent/{}", spec_slug(&spec.spec_path))),
        path: made.path.display().to_string(),
        start_commit: made.start_commit.to_string(),
        record,
    })
}

/// The spec and the plan as they were when the run was created: kept then beside the run's files.
fn snapshot_files(desk: &Desk<'_>) -> Result<Vec<(PathBuf, Vec<u8>)>, Trouble> {
    let spec = &desk.order.run.spec;
    if !spec.snapshot {
        return Ok(Vec::new());
    }
    [&spec.spec_path, &spec.plan_path]
        .into_iter()
        .map(|path| {
            let kept = snapshot_path(&desk.world.data_dir, &desk.order.run.id.0, path);
            let bytes = std::fs::read(&kept)
                .map_err(io_trouble(format!("read the snapshot {}", kept.display())))?;
            Ok((PathBuf::from(path), bytes))
        })
        .collect()
}

/// Where the snapshot of a workspace file is kept until the run branch's first commit holds it.
pub fn snapshot_path(data_dir: &Path, run_id: &str, path: &str) -> PathBuf {
    data_dir
        .join("runs")
        .join(format!("run-{run_id}"))
        .join("snapshot")
        .join(path)
}

/// The name of the repository, for the worktree's path.
fn repo_name(repo: &Repo, workspace: &str) -> String {
    let root = repo.common_dir.parent().unwrap_or(Path::new(workspace));
    let dir = if repo.bare {
        repo.common_dir.as_path()
    } else {
        root
    };
    dir.file_name()
        .map_or_else(|| "repo".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// The slug of a spec, from its file's stem: the default name of a run and of its merge target.
pub fn spec_slug(spec_path: &str) -> String {
    let stem = Path::new(spec_path)
        .file_stem()
        .map_or_else(|| "spec".to_owned(), |s| s.to_string_lossy().into_owned());
    slug(&stem)
}

/// A name as a part of a branch name: letters and digits of any script, the rest as single hyphens; bounded.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    match slug.trim_matches('-') {
        "" => "run".to_owned(),
        kept => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_what_people_read() {
        assert_eq!(slug("Größere Änderung (v2)!"), "größere-änderung-v2");
        assert_eq!(slug("../..//"), "run");
        assert_eq!(spec_slug("specs/Add login.md"), "add-login");
    }
}
