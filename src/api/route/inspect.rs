//! `GET /runs/{id}`, `/steps`, `/artifacts`: one run as it is stored.

use axum::Json;
use axum::extract::State;

use super::{settled, why};
use crate::api::error::ApiError;
use crate::api::extract::Reference;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{ArtifactList, ErrorBody, RunReply, StepList};
use crate::store::Artifact;

/// One run.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Several runs are meant")))]
pub(super) async fn inspect(
    State(app): State<Shared>,
    Reference(id): Reference,
) -> Result<Json<RunReply>, ApiError> {
    let run = app.find(&id).await?;
    let handover = app.state.reader.handover(&run.id).await?;
    let mut runs = [view::run(&run, handover.as_ref())?];
    settled::look(&app, &mut runs).await?;
    why::add_gates(&app, &mut runs).await;
    let [run] = runs;
    Ok(Json(RunReply { run }))
}

/// Its steps, oldest first.
#[utoipa::path(get, path = "/runs/{id}/steps", tag = "runs", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    responses((status = 200, body = StepList), (status = 404, body = ErrorBody)))]
pub(super) async fn steps(
    State(app): State<Shared>,
    Reference(id): Reference,
) -> Result<Json<StepList>, ApiError> {
    let run = app.find(&id).await?;
    let steps = app.state.reader.steps(&run.id).await?;
    let steps = steps.iter().map(view::step).collect::<Result<_, _>>()?;
    Ok(Json(StepList { steps }))
}

/// Its registered files, oldest first; of those that the clean-up has removed, the copies that stay.
#[utoipa::path(get, path = "/runs/{id}/artifacts", tag = "runs", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    responses((status = 200, body = ArtifactList), (status = 404, body = ErrorBody)))]
pub(super) async fn artifacts(
    State(app): State<Shared>,
    Reference(id): Reference,
) -> Result<Json<ArtifactList>, ApiError> {
    let run = app.find(&id).await?;
    let artifacts = app.state.reader.artifacts(&run.id).await?;
    let gone = |it: &Artifact| run.facts.files_removed && it.location == "global";
    let there = artifacts.into_iter().filter(|it| !gone(it));
    let artifacts = there.map(view::artifact).collect();
    Ok(Json(ArtifactList { artifacts }))
}
