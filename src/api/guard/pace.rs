//! How fast runs may be created: bursts are served, a flood is slowed down. Creating a run reads a repository and writes
//! to the disk for good, so that a client in an endless loop would fill both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::error::ApiError;

/// A pace: so many at once, and so many more each second.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    bucket: Arc<Mutex<Bucket>>,
    at_once: u32,
    per_second: u32,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    seen: Instant,
}

impl Pace {
    pub(crate) fn new(at_once: u32, per_second: u32) -> Self {
        let bucket = Bucket {
            left: f64::from(at_once),
            seen: Instant::now(),
        };
        Pace {
            bucket: Arc::new(Mutex::new(bucket)),
            at_once,
            per_second,
        }
    }

    /// Whether another one fits at this time.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let gained =
            now.saturating_duration_since(bucket.seen).as_secs_f64() * f64::from(self.per_second);
        bucket.left = (bucket.left + gained).min(f64::from(self.at_once));
        bucket.seen = bucket.seen.max(now);
        let fits = bucket.left >= 1.0;
        if fits {
            bucket.left -= 1.0;
        }
        fits
    }
}

/// Answers 429 to a POST that comes too fast. It counts whatever becomes of it: a refused one costs nearly as much.
pub(crate) async fn pace(State(pace): State<Pace>, request: Request, next: Next) -> Response {
    if *request.method() == Method::POST && !pace.admits(Instant::now()) {
        let message = format!(
            "runs are asked for too fast: {} at once, and {} each second, are served",
            pace.at_once, pace.per_second
        );
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", message)
            .hint("ask again in a second")
            .into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_served_and_then_as_many_as_the_time_that_passed_allows() {
        let pace = Pace::new(3, 2);
        let begin = Instant::now();
        let served = |at: Duration| (0..10).filter(|_| pace.admits(begin + at)).count();
        assert_eq!(served(Duration::ZERO), 3);
        assert_eq!(served(Duration::from_millis(499)), 0);
        assert_eq!(served(Duration::from_secs(1)), 2);
        assert_eq!(
            served(Duration::from_secs(1000)),
            3,
            "no more than a burst is saved up"
        );
        assert_eq!(
            served(Duration::from_secs(1)),
            0,
            "a clock that goes back gives nothing"
        );
    }
}
