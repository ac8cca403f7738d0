//! Requests with an answer in JSON, and the opening of a stream. Every error says what was being done.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, header};
use tokio::time::{sleep, timeout};

use super::call::{Call, Reply};
use super::delay::delay;
use super::endpoint::Endpoint;
use super::readiness::{Miss, NotReady, probe, wait};
use super::transport::{exchange, sort};
use super::unreachable::Kind;
use crate::api::wire;
use crate::cli::error::Error;

/// How long a command that waits for something waits for a daemon that is being restarted.
const RESTART: Duration = Duration::from_secs(60);

/// The longest that a request may take; a diff of a large repository is the slowest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a daemon is asked again that has no room for a request.
const ROOM: Duration = Duration::from_secs(30);

/// At least so often: it says itself that a second is enough.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest reply that is kept in memory.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// A daemon that was found ready.
pub struct Client {
    pub(super) endpoint: Endpoint,
    /// What the next request has to tell; counted once.
    pub(super) untold_retries: AtomicU32,
}

impl Client {
    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a call and reads its whole answer. A daemon that has no room for it just now has begun nothing: it is asked
    /// again for a while.
    ///
    /// # Errors
    /// [`Error::Refused`] with the daemon's words, or [`Error::Unreachable`].
    pub async fn send(&self, call: Call) -> Result<Reply, Error> {
        let begun = tokio::time::Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.send_once(call.clone()).await {
                Err(error) if error.is_busy() => error,
                answered => return answered,
            };
            let Some(pause) = delay(attempt, ROOM.saturating_sub(begun.elapsed())) else {
                return Err(error);
            };
            let pause = pause.min(AGAIN);
            tracing::warn!(delay_ms = pause.as_millis(), cause = %error, "asking again");
            sleep(pause).await;
        }
    }

    async fn send_once(&self, call: Call) -> Result<Reply, Error> {
        let begun = tokio::time::Instant::now();
        let mut attempts = 1;
        loop {
            let whole = async {
                let response = self.open(&call, None).await?;
                read(response).await
            };
            let outcome = match timeout(REQUEST_TIMEOUT, whole).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Failed::Miss(Miss::Silent(format!(
                    "no answer within {} s",
                    REQUEST_TIMEOUT.as_secs()
                )))),
            };
            let miss = match outcome {
                Ok(body) => {
                    let doing = call.doing;
                    return Ok(Reply { body, doing });
                }
                Err(Failed::Refused(error)) => return Err(error),
                Err(Failed::Miss(miss)) => miss,
            };
            let repeatable = call.key.is_some() || call.method == Method::GET;
            if attempts == 1 && repeatable && matches!(miss, Miss::Silent(_)) {
                tracing::warn!(cause = %miss, "the connection broke, asking once more");
                attempts += 1;
                continue;
            }
            return Err(self.endpoint.blame(NotReady {
                miss,
                attempts,
                elapsed: begun.elapsed(),
            }));
        }
    }

    /// As [`send`](Self::send), for a command that waits for something: a daemon that is being restarted is waited for,
    /// as a broken stream is.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the daemon stays away for longer than a minute.
    pub async fn send_patiently(&self, call: Call) -> Result<Reply, Error> {
        match self.send(call.clone()).await {
            Err(Error::Unreachable(away))
                if matches!(away.kind, Kind::NothingListens | Kind::TimedOut) => {}
            answered => return answered,
        }
        let endpoint = &self.endpoint;
        let back = wait(RESTART, async |patience| {
            probe(&endpoint.address, &endpoint.token, patience).await
        });
        if let Err(not_ready) = back.await {
            return Err(endpoint.blame(not_ready));
        }
        self.send(call).await
    }

    /// Sends a call and waits for the head of its answer; for a stream of events from after `last_id`.
    ///
    /// # Errors
    /// A refusal, or a miss that may be worth another try.
    pub(super) async fn open(
        &self,
        call: &Call,
        last_id: Option<&str>,
    ) -> Result<Response<Incoming>, Failed> {
        let endpoint = &self.endpoint;
        let retries = self.untold_retries.swap(0, Ordering::Relaxed);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(header::HOST, endpoint.address.host_header())
            .header(
                header::USER_AGENT,
                concat!("loopctl/", env!("CARGO_PKG_VERSION")),
            )
            .header(wire::READINESS_RETRIES, retries);
        if let Some(token) = endpoint.token.read().map_err(Miss::from)? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key.to_string());
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request
            .body(Full::new(call.body.clone()))
            .map_err(|error| Error::local(&call.doing, error))?;
        let response = exchange(&endpoint.address, request)
            .await
            .map_err(Miss::from)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = read(response).await?;
        let detail = match serde_json::from_slice::<wire::ErrorBody>(&body) {
            Ok(body) => body.error,
            Err(_) => {
                wire::ErrorBody::new("unknown", format!("the daemon answered {status}")).error
            }
        };
        Err(match status.as_u16() {
            401 => Failed::Miss(Miss::Token(format!("401: {}", detail.message))),
            status => Failed::Refused(Error::Refused {
                doing: call.doing.clone(),
                status,
                detail,
            }),
        })
    }

    /// The error for a stream that could not be opened again.
    pub(super) fn lost(&self, miss: Miss, attempts: u32, elapsed: Duration) -> Error {
        self.endpoint.blame(NotReady {
            miss,
            attempts,
            elapsed,
        })
    }
}

/// Why there is no good answer.
pub(super) enum Failed {
    /// No answer at all.
    Miss(Miss),
    /// An answer that says no.
    Refused(Error),
}

impl From<Miss> for Failed {
    fn from(miss: Miss) -> Self {
        Failed::Miss(miss)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Refused(error)
    }
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Failed> {
    let body = Limited::new(response.into_body(), MAX_REPLY_BYTES);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Failed::Miss(match error.downcast::<hyper::Error>() {
            Ok(error) => Miss::from(sort(&error)),
            Err(error) => Miss::Stranger(error.to_string()),
        })),
    }
}
