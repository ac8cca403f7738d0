//! How long the words of a request may be. The head as a whole is bounded by the connection; here the parts are, so that
//! the answer says which one is too long.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::error::ApiError;

/// Bytes of path and query.
const MAX_URI_BYTES: usize = 8 << 10;
/// Bytes of one header's value.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// Refuses what is longer than any honest request.
pub(super) async fn bounds(request: Request, next: Next) -> Response {
    let uri = request
        .uri()
        .path_and_query()
        .map_or(0, |text| text.as_str().len());
    if uri > MAX_URI_BYTES {
        let message = format!("path and query are longer than {MAX_URI_BYTES} bytes");
        return ApiError::new(StatusCode::URI_TOO_LONG, "uri_too_long", message).into_response();
    }
    let long = request
        .headers()
        .iter()
        .find(|(_, value)| value.len() > MAX_HEADER_BYTES);
    if let Some((name, _)) = long {
        let message = format!("the header {name} is longer than {MAX_HEADER_BYTES} bytes");
        return ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_long",
            message,
        )
        .into_response();
    }
    next.run(request).await
}
