//! `POST /gc`: what the daemon does by itself once a day, done now, or only shown.

use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::OptionalJson;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{ErrorBody, GcBranch, GcReply, GcRequest, GcRun, stamp};
use crate::daemon::Collected;

/// Remove what is left of runs that ended longer than `retention_days` ago, as far as nothing is lost.
#[utoipa::path(post, path = "/gc", tag = "worktrees", request_body(content = Option<GcRequest>),
    responses((status = 200, body = GcReply), (status = 422, body = ErrorBody, description = "The body is not understood")))]
pub(super) async fn gc(
    State(app): State<Shared>,
    OptionalJson(asked): OptionalJson<GcRequest>,
) -> Result<Json<GcReply>, ApiError> {
    let collection = app.state.cleaner.collect(asked.dry_run).await?;
    Ok(Json(GcReply {
        dry_run: asked.dry_run,
        retention_days: app.state.cleaner.retention_days,
        runs: collection
            .runs
            .into_iter()
            .map(run)
            .collect::<Result<_, _>>()?,
        problems: collection.problems,
    }))
}

fn run(it: Collected) -> Result<GcRun, ApiError> {
    let branches = it.branches.into_iter();
    Ok(GcRun {
        run_id: view::uuid(&it.run.id)?,
        run_name: it.run.name().to_owned(),
        state: it.run.state.as_str().to_owned(),
        ended_at: it.run.facts.ended_at.map(stamp),
        worktrees: it.worktrees,
        branches: branches
            .map(|(name, rescue)| GcBranch { name, rescue })
            .collect(),
        files: it.files,
        kept: it.kept,
    })
}
