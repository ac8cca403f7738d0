//! Who does not carry the token is told so, and nothing else.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::OPEN_PATH;
use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::api::wire::READINESS_RETRIES;

/// What one client may add to the count of retries with one request.
const MOST_RETRIES: u64 = 1000;

/// Lets a request pass that carries the token, and counts the retries that its client had before.
pub(super) async fn bearer(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if request.uri().path() == OPEN_PATH {
        return next.run(request).await;
    }
    let refuse = |message: &str| {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .hint("send `Authorization: Bearer TOKEN`; the token is in the file `token` of loopd's data directory")
            .into_response()
    };
    if request
        .headers()
        .get_all(header::AUTHORIZATION)
        .iter()
        .count()
        > 1
    {
        return refuse(
            "there is more than one Authorization header, and nobody can say which one counts",
        );
    }
    match offered(request.headers()) {
        None => return refuse("the token is missing"),
        Some(token) if !app.state.token.matches(token) => return refuse("the token is wrong"),
        Some(_) => {}
    }
    let retries = request
        .headers()
        .get(READINESS_RETRIES)
        .and_then(|value| value.to_str().ok());
    // Telemetry: what is not a number tells nothing, and refuses nothing.
    if let Some(retries) = retries.and_then(|text| text.parse::<u64>().ok()) {
        app.state
            .metrics
            .readiness_retry_count
            .inc_by(retries.min(MOST_RETRIES));
    }
    next.run(request).await
}

fn offered(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}
