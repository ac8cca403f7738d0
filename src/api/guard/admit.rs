//! How many requests are worked on at a time, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::api::error::ApiError;

/// Room for requests, and the time that each may take.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    room: Arc<Semaphore>,
    at_most: usize,
    time: Duration,
}

impl Admission {
    /// Room for so many requests at a time, each for so long.
    pub(crate) fn new(at_most: usize, time: Duration) -> Self {
        let room = Arc::new(Semaphore::new(at_most));
        Admission {
            room,
            at_most,
            time,
        }
    }
}

/// Answers at once when there is no room, and when the time is over.
pub(crate) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_room) = admission.room.try_acquire() else {
        let message = format!(
            "{} requests are being answered, and no more are taken",
            admission.at_most
        );
        return ApiError::unavailable("busy", message)
            .hint("ask again in a second")
            .into_response();
    };
    match timeout(admission.time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!(
                "the request took longer than {} s",
                admission.time.as_secs()
            );
            ApiError::unavailable("timeout", message)
                .hint("what it asked for may still happen; look before you ask again")
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, http::Request, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt as _;

    fn router(admission: Admission) -> Router {
        Router::new()
            .route("/", get(std::future::pending::<()>))
            .layer(from_fn_with_state(admission, admit))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_answered() {
        let router = router(Admission::new(1, Duration::from_secs(5)));
        let response = router
            .oneshot(Request::new(Body::empty()))
            .await
            .expect("an answer");
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_room_is_answered_at_once_and_room_comes_back() {
        let router = router(Admission::new(1, Duration::from_secs(5)));
        let first = tokio::spawn(router.clone().oneshot(Request::new(Body::empty())));
        tokio::task::yield_now().await;
        let begun = tokio::time::Instant::now();
        let second = router
            .clone()
            .oneshot(Request::new(Body::empty()))
            .await
            .expect("an answer");
        assert_eq!(
            (second.status().as_u16(), begun.elapsed()),
            (503, Duration::ZERO)
        );
        first.await.expect("no panic").expect("an answer");
        let third = router
            .oneshot(Request::new(Body::empty()))
            .await
            .expect("an answer");
        assert!(
            begun.elapsed() > Duration::ZERO,
            "it found room: {}",
            third.status()
        );
    }
}
