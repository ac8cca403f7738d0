//! `GET /events` and `GET /runs/{id}/events`: what happens, from any place on. `Last-Event-ID`, which a browser sends by
//! itself when it comes back, wins over `?after=`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::error::ApiError;
use crate::api::extract::{Query, Reference};
use crate::api::state::Shared;
use crate::api::stream;
use crate::api::wire::{ErrorBody, EventRecord, StreamQuery};

/// The header by which a client says what it has seen.
const LAST_EVENT_ID: &str = "last-event-id";

/// Events of all runs.
#[utoipa::path(get, path = "/events", tag = "streams",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last `id:` that was received; wins over `after`")),
    responses((status = 200, body = EventRecord, content_type = "text/event-stream", description = "Messages with `id:` = number, `event:` = type, `data:` = the event")))]
pub(super) async fn events(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Response, ApiError> {
    let after = after(&headers, query.after.as_deref())?;
    let room = app.admit_stream()?;
    Ok(stream::events(
        &app,
        room,
        None,
        after,
        query.follow.unwrap_or(true),
    ))
}

/// Events of one run. The stream stays open when the run has ended: it may be started anew.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "streams",
    params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name"), StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id:` that was received; wins over `after`")),
    responses((status = 200, body = EventRecord, content_type = "text/event-stream"), (status = 404, body = ErrorBody)))]
pub(super) async fn of_run(
    State(app): State<Shared>,
    Reference(id): Reference,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Response, ApiError> {
    let after = after(&headers, query.after.as_deref())?;
    let run = app.find(&id).await?;
    let room = app.admit_stream()?;
    Ok(stream::events(
        &app,
        room,
        Some(run.id),
        after,
        query.follow.unwrap_or(true),
    ))
}

fn after(headers: &HeaderMap, query: Option<&str>) -> Result<u64, ApiError> {
    match last_id(headers, query)? {
        None => Ok(0),
        Some((said_in, text)) => {
            let number = text
                .parse::<u64>()
                .ok()
                .filter(|number| i64::try_from(*number).is_ok());
            number.ok_or_else(|| bad_place(said_in, text, "the number of an event"))
        }
    }
}

/// The place that the client names, and where it names it. An empty header is what a client sends that has seen nothing.
pub(super) fn last_id<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
) -> Result<Option<(&'static str, &'a str)>, ApiError> {
    match headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        Some(value) => {
            let text = value
                .to_str()
                .map_err(|_| bad_place("Last-Event-ID", "…", "visible ASCII"))?;
            Ok(Some(("Last-Event-ID", text)))
        }
        None => Ok(query.map(|text| ("after", text))),
    }
}

/// 422 for a place that is none.
pub(super) fn bad_place(said_in: &str, text: &str, expected: &str) -> ApiError {
    let shown: String = text.chars().take(80).collect();
    let message = format!("{said_in}: {shown:?} is not {expected}");
    ApiError::invalid("invalid_place", message)
        .hint("use an `id:` of this stream, or leave it out to begin at the start")
}
