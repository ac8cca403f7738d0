//! `GET /runs/{id}/diff`: what the run's branch changes against the commit that it started from.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::error::ApiError;
use crate::api::extract::Reference;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{DiffReply, ErrorBody};
use crate::effect::git::{self, Oid, Repo};

/// Bytes of a diff; the rest is for git itself.
const MAX_BYTES: usize = 8 << 20;

/// What the run has changed, from its base to the tip of its branch.
#[utoipa::path(get, path = "/runs/{id}/diff", tag = "runs", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    responses((status = 200, body = DiffReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "The run has no branch")))]
pub(super) async fn diff(
    State(app): State<Shared>,
    Reference(id): Reference,
) -> Result<Json<DiffReply>, ApiError> {
    let run = app.find(&id).await?;
    let Some(made) = &run.facts.worktree else {
        let message = format!("run {} has no branch yet", run.id);
        return Err(ApiError::new(StatusCode::CONFLICT, "no_branch", message)
            .hint("it gets one when it starts"));
    };
    let repo = Repo::open(&app.state.creator.git, Path::new(&run.spec.workspace_key)).await?;
    // A branch that the clean-up has removed is shown from where it stood: its commits are kept.
    let retired = run
        .facts
        .retired
        .iter()
        .find(|it| it.branch == made.run_branch);
    let tip = match retired {
        Some(retired) => Oid::parse(&retired.tip),
        None => git::tip(&repo, &made.run_branch)
            .await?
            .map(|tip| tip.commit),
    };
    let Some(tip) = tip else {
        let message = format!("the branch {} of run {} is gone", made.run_branch, run.id);
        let error = ApiError::new(StatusCode::CONFLICT, "branch_gone", message);
        return Err(error.hint("`git branch` restores it from its last commit; inspect names that as far as it is known"));
    };
    let unreadable = || view::Unreadable {
        what: format!("the base of run {}", run.id),
        value: made.base_commit.clone(),
    };
    let base = Oid::parse(&made.base_commit).ok_or_else(unreadable)?;
    let diff = git::diff(&repo, &base, &tip, MAX_BYTES).await?;
    Ok(Json(DiffReply {
        run_id: view::uuid(&run.id)?,
        base_commit: base.to_string(),
        head_commit: tip.to_string(),
        diff: diff.text,
        truncated: diff.cut,
    }))
}
