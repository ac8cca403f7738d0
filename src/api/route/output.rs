//! `GET /runs/{id}/output`: what the steps of a run write, while they write it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::events::{bad_place, last_id};
use crate::api::error::ApiError;
use crate::api::extract::{Query, Reference};
use crate::api::state::Shared;
use crate::api::stream::{self, Asked};
use crate::api::view;
use crate::api::wire::{ErrorBody, OutputChunk, OutputCursor, OutputQuery};
use crate::store::StoredRun;

/// The output of the run's steps, one after the other.
#[utoipa::path(get, path = "/runs/{id}/output", tag = "streams",
    params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name"), OutputQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id:` that was received; wins over `after`")),
    responses((status = 200, body = OutputChunk, content_type = "text/event-stream", description = "Messages with `id:` = `step:offset`, `data:` = the piece"),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "The clean-up has removed the run's files"), (status = 422, body = ErrorBody, description = "Not a place in this run's output")))]
pub(super) async fn output(
    State(app): State<Shared>,
    Reference(id): Reference,
    headers: HeaderMap,
    Query(query): Query<OutputQuery>,
) -> Result<Response, ApiError> {
    let run = app.find(&id).await?;
    let asked = Asked {
        after: after(&run, &headers, query.after.as_deref())?,
        follow: query.follow.unwrap_or(true),
        format: query.format.unwrap_or_default(),
    };
    if run.facts.files_removed {
        let message = format!(
            "the clean-up has removed the files of run {}, its output among them",
            run.id
        );
        return Err(
            ApiError::new(StatusCode::CONFLICT, "files_removed", message).hint(
                "logs that were copied into the workspace stay there; `artifacts` names them",
            ),
        );
    }
    let room = app.admit_stream()?;
    Ok(stream::output(&app, room, run, asked))
}

/// The place as generation and offset. It has to be one of this run: ids of steps are never taken as paths.
fn after(
    run: &StoredRun,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Option<(u64, u64)>, ApiError> {
    let Some((said_in, text)) = last_id(headers, query)? else {
        return Ok(None);
    };
    let bad = || {
        bad_place(
            said_in,
            text,
            "a place in the output of this run (STEP_ID:OFFSET)",
        )
    };
    let cursor: OutputCursor = text.parse().map_err(|_| bad())?;
    let (of, generation) = cursor.step().ok_or_else(bad)?;
    if of != view::uuid(&run.id)? || generation > run.facts.generation {
        return Err(bad());
    }
    Ok(Some((generation, cursor.offset)))
}
