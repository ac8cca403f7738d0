//! `/worktrees`: what loopd made for runs, and its removal. What may go is proved elsewhere; this file only translates.

use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{
    ErrorBody, RemovedWorktree, StrayWorktree, WorktreeEntry, WorktreeList, WorktreeQuery,
};
use crate::daemon::{Shown, Stray};

/// Every worktree that loopd made and that is not known to be gone, with whether it could be removed now.
#[utoipa::path(get, path = "/worktrees", tag = "worktrees", responses((status = 200, body = WorktreeList)))]
pub(super) async fn worktrees(State(app): State<Shared>) -> Result<Json<WorktreeList>, ApiError> {
    let listing = app.state.cleaner.list().await?;
    Ok(Json(WorktreeList {
        worktrees: listing
            .worktrees
            .into_iter()
            .map(entry)
            .collect::<Result<_, _>>()?,
        strays: listing.strays.into_iter().map(stray).collect(),
        problems: listing.problems,
    }))
}

/// Remove a worktree of an ended run, with proof that nothing is lost; one that is gone already is no error.
#[utoipa::path(delete, path = "/worktrees", tag = "worktrees", params(WorktreeQuery),
    responses((status = 200, body = RemovedWorktree), (status = 404, body = ErrorBody, description = "loopd did not make it"),
        (status = 409, body = ErrorBody, description = "It stays: its run has not ended, or something in it would be lost"),
        (status = 422, body = ErrorBody, description = "No path that could be looked for")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    Query(query): Query<WorktreeQuery>,
) -> Result<Json<RemovedWorktree>, ApiError> {
    let removed = app.state.cleaner.remove(&query.path).await?;
    Ok(Json(RemovedWorktree {
        path: removed.removal.path,
        run_id: view::uuid(&removed.run.id)?,
        note: removed.removal.note,
    }))
}

fn entry(shown: Shown) -> Result<WorktreeEntry, ApiError> {
    Ok(WorktreeEntry {
        path: shown.worktree.path,
        run_id: view::uuid(&shown.run.id)?,
        run_name: shown.run.name().to_owned(),
        state: shown.run.state.as_str().to_owned(),
        workspace_root: shown.run.spec.workspace_root,
        run_branch: shown.worktree.run_branch,
        present: shown.present,
        on_disk: shown.on_disk,
        removable: shown.why_kept.is_none(),
        why_kept: shown.why_kept,
    })
}

fn stray(stray: Stray) -> StrayWorktree {
    StrayWorktree {
        path: stray.path.display().to_string(),
        run_id: stray.run_id.0,
        run_known: stray.run_known,
        branch: stray.branch,
        on_disk: stray.on_disk,
    }
}
