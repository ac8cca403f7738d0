//! Readiness: is a daemon there, before a command asks it for anything? `GET /health` at once, then again after 200, 400,
//! 800 … ms while nothing answers; at once an error where trying again has no point. The rule of waiting is in
//! [`delay`](super::delay); what an answer means is in here.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use tokio::time::{Instant, sleep, timeout};

use super::address::Address;
use super::delay::delay;
use super::token::{TokenError, TokenSource};
use super::transport::{TransportError, exchange, sort};
use crate::api::wire;

/// The longest that one attempt may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// What the last attempt gets even when the budget is spent, so that it can succeed.
const LAST_PATIENCE: Duration = Duration::from_millis(250);
/// More than any health reply needs; a longer one is somebody else's.
const MAX_REPLY_BYTES: usize = 64 << 10;

/// What one attempt found.
#[derive(Debug, thiserror::Error)]
pub enum Miss {
    /// The name of the host is not known: worth another try, because the network may just come up.
    #[error("{0}")]
    Unknown(String),
    /// Nobody accepts connections: worth another try.
    #[error("{0}")]
    Nobody(String),
    /// Somebody accepts and does not answer: worth another try.
    #[error("{0}")]
    Silent(String),
    /// Somebody else answers.
    #[error("{0}")]
    Stranger(String),
    /// The daemon refuses the token.
    #[error("{0}")]
    Token(String),
    /// The socket may not be used.
    #[error("{0}")]
    Denied(String),
    /// The token cannot be used.
    #[error(transparent)]
    BadToken(#[from] TokenError),
}

impl Miss {
    /// Whether the next moment may change it.
    fn may_pass(&self) -> bool {
        match self {
            Miss::Unknown(_) | Miss::Nobody(_) | Miss::Silent(_) => true,
            Miss::Stranger(_) | Miss::Token(_) | Miss::Denied(_) | Miss::BadToken(_) => false,
        }
    }
}

impl From<TransportError> for Miss {
    fn from(error: TransportError) -> Self {
        let text = error.to_string();
        match error {
            TransportError::Lookup(_) => Miss::Unknown(text),
            TransportError::Dial(_) => Miss::Nobody(text),
            TransportError::Denied(_) => Miss::Denied(text),
            TransportError::Dropped(_) => Miss::Silent(text),
            TransportError::NotHttp(_) => Miss::Stranger(text),
        }
    }
}

/// A daemon that was found.
#[derive(Debug)]
pub struct Ready {
    /// What it said of itself.
    pub health: wire::Health,
    /// How often it had to be tried again.
    pub retries: u32,
}

/// No daemon within the budget, or none ever.
#[derive(Debug)]
pub struct NotReady {
    /// What the last attempt found.
    pub miss: Miss,
    /// How many there were, at least one.
    pub attempts: u32,
    /// From the first until the last, all in all.
    pub elapsed: Duration,
}

/// Tries until there is an answer or the budget is spent. `attempt` is given the time that it may take.
///
/// # Errors
/// [`NotReady`], at once where trying again has no point.
pub async fn wait<A>(budget: Duration, mut attempt: A) -> Result<Ready, NotReady>
where
    A: AsyncFnMut(Duration) -> Result<wire::Health, Miss>,
{
    let begun = Instant::now();
    let mut retries = 0;
    loop {
        let patience = budget.saturating_sub(begun.elapsed());
        let miss = match attempt(patience.clamp(LAST_PATIENCE, PATIENCE)).await {
            Ok(health) => return Ok(Ready { health, retries }),
            Err(miss) => miss,
        };
        let elapsed = begun.elapsed();
        let pause = delay(retries + 1, budget.saturating_sub(elapsed));
        let Some(pause) = pause.filter(|_| miss.may_pass()) else {
            return Err(NotReady {
                miss,
                attempts: retries + 1,
                elapsed,
            });
        };
        retries += 1;
        tracing::warn!(
            attempt = retries,
            readiness_retry_count = retries,
            delay_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            cause = %miss,
            "loopd is not ready, trying again"
        );
        sleep(pause).await;
    }
}

/// One `GET /health`, with the token as it is now.
///
/// # Errors
/// [`Miss`].
pub async fn probe(
    address: &Address,
    token: &TokenSource,
    patience: Duration,
) -> Result<wire::Health, Miss> {
    let mut request = Request::get("/health").header(header::HOST, address.host_header());
    if let Some(token) = token.read()? {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .body(Full::new(Bytes::new()))
        .map_err(|error| Miss::Stranger(error.to_string()))?;
    let answer = async {
        let response = exchange(address, request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_REPLY_BYTES).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => Miss::from(sort(&error)),
            Err(error) => Miss::Stranger(error.to_string()),
        })?;
        judge(head.status, &body.to_bytes())
    };
    match timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Miss::Silent(format!(
            "no answer within {} ms",
            patience.as_millis()
        ))),
    }
}

/// What a reply to `GET /health` means.
fn judge(status: StatusCode, body: &[u8]) -> Result<wire::Health, Miss> {
    let refusal = || match serde_json::from_slice::<wire::ErrorBody>(body) {
        Ok(body) => format!("{}: {}", status.as_u16(), body.error.message),
        Err(_) => format!("it answers {status}"),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Miss::Token(refusal())),
        StatusCode::SERVICE_UNAVAILABLE => Err(Miss::Silent(refusal())),
        StatusCode::OK => match serde_json::from_slice::<wire::Health>(body) {
            Ok(health) if health.service == wire::SERVICE => Ok(health),
            Ok(health) => Err(Miss::Stranger(format!(
                "it calls itself {:?}",
                health.service
            ))),
            Err(_) => Err(Miss::Stranger(
                "its GET /health does not name a service".to_owned(),
            )),
        },
        _ => Err(Miss::Stranger(refusal())),
    }
}
