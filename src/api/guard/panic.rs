//! A panic in a handler is a bug of ours; its client gets an answer all the same, and the daemon goes on.

use std::any::Any;

use axum::response::{IntoResponse as _, Response};

use crate::api::error::ApiError;

/// The answer; the panic's own message is for the log alone.
pub(super) fn caught(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(
        panic = said.unwrap_or("(no message)"),
        "a request met a bug of loopd"
    );
    ApiError::internal("the request met a bug of loopd").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, http::Request, routing::get};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    async fn broken() {
        panic!("secret: {}", std::process::id())
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer_that_does_not_tell_what_it_said() {
        let router: Router = Router::new()
            .route("/", get(broken))
            .layer(CatchPanicLayer::custom(caught));
        let response = router
            .oneshot(Request::new(Body::empty()))
            .await
            .expect("an answer");
        assert_eq!(response.status(), 500);
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(
            body.contains("\"code\":\"internal\"") && !body.contains("secret"),
            "{body}"
        );
    }
}
