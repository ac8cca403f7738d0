//! Makes the run's branch and worktree, or makes sure that they are as recorded; and says how they would be made.

use std::path::{Path, PathBuf};

use super::Done;
use super::desk::{Desk, oid, read_record};
use super::slug::{repo_name, slug, spec_slug};
use super::snapshot::snapshot_files;
use super::trouble::trouble;
use crate::config::{WorktreeNames, WorktreeProvider, render_worktree_path};
use crate::core::run::{Event, Facts, RunId, Spec, Trouble, TroubleKind, Worktree};
use crate::effect::git::{self, Base, Prepared, Repo, Want};

/// Prepares branch and worktree.
pub(super) async fn prepare(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let run = &desk.order.run;
    if run.facts.awaits_name() {
        // The branch keeps the name that it is made with, and the store has not taken the model's answer yet.
        return Ok(Done::again("the run's name is not stored yet"));
    }
    let repo = desk.repo().await?;
    desk.hide_files(&repo).await;
    let known = match &desk.facts().worktree {
        Some(worktree) => Some(read_record(worktree)?),
        None => None,
    };
    let retired = known.as_ref().and_then(|known| {
        let mut gone = desk.facts().retired.iter();
        gone.find(|it| it.branch == known.run_branch)
    });
    let retired = retired.map(|gone| oid(&gone.tip)).transpose()?;
    let snapshot = match known {
        Some(_) => Vec::new(),
        None => snapshot_files(desk, &repo).await?,
    };
    let worktrunk = match known {
        Some(_) => None,
        None => worktrunk(desk)?,
    };
    let (slug, repo_name) = (slug(run.name()), repo_name(&repo, &run.spec.workspace_root));
    let place = placing(&run.spec, &run.id, run.name(), &repo_name);
    let want = Want {
        reset: resets(desk.facts()),
        known: known.as_ref(),
        retired: retired.as_ref(),
        worktrunk: worktrunk.as_deref(),
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

/// The `wt` that is to add the worktree; none: git does.
fn worktrunk(desk: &Desk<'_>) -> Result<Option<PathBuf>, Trouble> {
    let found = desk.world.git.worktrunk();
    match (desk.config.worktree_provider, found) {
        (WorktreeProvider::Git, _) => Ok(None),
        (WorktreeProvider::Worktrunk, Some(found)) => Ok(Some(found.program)),
        (WorktreeProvider::Auto, found) => {
            Ok(found.filter(|it| it.configured).map(|it| it.program))
        }
        (WorktreeProvider::Worktrunk, None) => Err(trouble(
            TroubleKind::NeedsPerson,
            "worktree_held",
            "worktree_provider = \"worktrunk\", and there is no wt on the PATH of loopd any more; install Worktrunk and resume, or create the run anew with worktree_provider = \"git\"",
        )),
    }
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
        retired: None,
        worktrunk: None,
        workspace: Some(Path::new(&spec.workspace_root)),
        confined: spec.worktree_confined,
        place,
        snapshot: &[],
    }
}

/// The worktree's path for a branch, as the template says it.
fn placing<'a>(
    spec: &'a Spec,
    id: &'a RunId,
    name: &'a str,
    repo: &'a str,
) -> impl Fn(&str) -> Result<PathBuf, String> + Send + Sync + 'a {
    move |branch| {
        let names = WorktreeNames {
            repo,
            run_branch: branch,
            run_id: &id.0,
            run_name: name,
        };
        render_worktree_path(&spec.worktree_path_template, names)
            .map(PathBuf::from)
            .map_err(|error| error.to_string())
    }
}

/// Where the verified work of a run goes.
pub(super) fn merge_target(spec: &Spec) -> String {
    let named = spec.merge_target_branch.clone();
    named.unwrap_or_else(|| format!("agent/{}", spec_slug(&spec.spec_path)))
}

/// Makes sure, before there is a run, that its worktree has a place.
///
/// # Errors
/// The template leads where it must not.
pub async fn try_place(repo: &Repo, base: &Base, spec: &Spec, id: &RunId) -> Result<(), Trouble> {
    let placed = foreseen(repo, base, spec, id).await;
    placed.map(drop).map_err(|trouble| match trouble.kind {
        TroubleKind::Permanent => Trouble {
            message: format!(
                "worktree_path_template `{}`: {}",
                spec.worktree_path_template, trouble.message
            ),
            ..trouble
        },
        TroubleKind::Transient
        | TroubleKind::NoSpace
        | TroubleKind::ReadOnly
        | TroubleKind::NeedsPerson => trouble,
    })
}

/// Branch and worktree as a run without any would get them now; nothing is made, and nothing recorded in git.
pub(super) async fn foreseen(
    repo: &Repo,
    base: &Base,
    spec: &Spec,
    id: &RunId,
) -> Result<Worktree, Trouble> {
    let (slug, repo_name) = (slug(&spec.name), repo_name(repo, &spec.workspace_root));
    let place = placing(spec, id, &spec.name, &repo_name);
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

/// Whether git cannot have these two branches beside each other: they are one, or one lies below the other.
pub fn collide(one: &str, other: &str) -> bool {
    let below = |one: &str, other: &str| {
        one.strip_prefix(other)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    one == other || below(one, other) || below(other, one)
}
