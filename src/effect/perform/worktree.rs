//! Makes the run's branch and worktree, or makes sure that they are as recorded; and says how they would be made.

use std::path::{Path, PathBuf};

use super::Done;
use super::desk::{Desk, read_record};
use super::trouble::{io_trouble, trouble};
use crate::config::{WorktreeNames, render_worktree_path};
use crate::core::run::{Event, Facts, RunId, Spec, Trouble, TroubleKind, Worktree};
use crate::effect::files::run_dir;
use crate::effect::git::{self, Base, Prepared, Repo, Want};

/// Prepares branch and worktree.
pub(super) async fn prepare(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    desk.hide_files(&repo).await;
    let run = &desk.order.run;
    let known = match &desk.facts().worktree {
        Some(worktree) => Some(read_record(worktree)?),
        None => None,
    };
    let snapshot = snapshot_files(desk)?;
    let (slug, name) = (
        slug(&run.spec.name),
        repo_name(&repo, &run.spec.workspace_root),
    );
    let place = placing(&run.spec, &run.id, &name);
    let want = Want {
        reset: resets(desk.facts()),
        known: known.as_ref(),
        snapshot: &snapshot,
        ..wanted(&run.spec, &run.id, &slug, &place)
    };
    let made = match git::prepare_worktree(&repo, &want).await? {
        Prepared::Ready(made) => made,
        Prepared::Held { why } => {
            return Err(trouble(TroubleKind::NeedsPerson, "worktree_held", why));
        }
    };
    let worktree = recorded(desk, &made)?;
    Ok(Done::event(
        Event::WorktreeReady {
            generation: desk.generation(),
            worktree,
        },
        "ready",
    ))
}

/// How often the run was reset. A run of an earlier version did not count, but had one abandoned worktree for each.
fn resets(facts: &Facts) -> u32 {
    let abandoned = u32::try_from(facts.abandoned.len()).unwrap_or(u32::MAX);
    facts.resets.max(abandoned)
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
        merge_target_branch: merge_target(spec),
        path: made.path.display().to_string(),
        start_commit: made.start_commit.to_string(),
        record,
    })
}

/// What a fresh run asks of git.
fn wanted<'a>(spec: &'a Spec, id: &'a RunId, slug: &'a str, place: git::Place<'a>) -> Want<'a> {
    Want {
        run_id: &id.0,
        reset: 0,
        slug,
        run_branch_prefix: &spec.run_branch_prefix,
        base_branch: spec.base_branch.as_deref(),
        known: None,
        place,
        snapshot: &[],
    }
}

/// The worktree's path for a branch, as the template says it.
fn placing<'a>(
    spec: &'a Spec,
    id: &'a RunId,
    repo: &'a str,
) -> impl Fn(&str) -> Result<PathBuf, String> + Send + Sync + 'a {
    move |branch| {
        let names = WorktreeNames {
            repo,
            run_branch: branch,
            run_id: &id.0,
            run_name: &spec.name,
        };
        render_worktree_path(&spec.worktree_path_template, names)
            .map(PathBuf::from)
            .map_err(|error| error.to_string())
    }
}

/// Where the verified work of a run goes.
fn merge_target(spec: &Spec) -> String {
    let named = spec.merge_target_branch.clone();
    named.unwrap_or_else(|| format!("agent/{}", spec_slug(&spec.spec_path)))
}

/// Branch and worktree as a run without any would get them now; nothing is made, and nothing recorded in git.
pub(super) async fn foreseen(
    repo: &Repo,
    base: &Base,
    spec: &Spec,
    id: &RunId,
) -> Result<Worktree, Trouble> {
    let (slug, name) = (slug(&spec.name), repo_name(repo, &spec.workspace_root));
    let place = placing(spec, id, &name);
    let (run_branch, path) = git::foresee(repo, &wanted(spec, id, &slug, &place)).await?;
    Ok(Worktree {
        base_branch: base.branch.clone(),
        base_commit: base.commit.to_string(),
        run_branch,
        merge_target_branch: merge_target(spec),
        path: path.display().to_string(),
        start_commit: base.commit.to_string(),
        record: String::new(),
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
            let kept = snapshot_path(&desk.world.data_dir, &desk.order.run.id, spec, path);
            let bytes = std::fs::read(&kept)
                .map_err(io_trouble(format!("read the snapshot {}", kept.display())))?;
            Ok((PathBuf::from(path), bytes))
        })
        .collect()
}

/// Where the snapshot of a workspace file is kept until the run branch's first commit holds it.
pub fn snapshot_path(data_dir: &Path, run: &RunId, spec: &Spec, path: &str) -> PathBuf {
    run_dir(data_dir, run, spec).join("snapshot").join(path)
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
