//! A stream of server-sent events that goes on by itself after a broken connection: it is opened again with
//! `Last-Event-ID`, so that nothing is missed or repeated. What the messages mean is the caller's business.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use tokio::time::{Instant, sleep, timeout};

use super::call::Call;
use super::delay::delay;
use super::readiness::Miss;
use super::request::{Client, Failed};
use super::sse::{Message, Parser};
use super::transport::sort;
use crate::cli::error::Error;

/// How long a daemon may be away (being restarted, for example) before a follower gives up.
const BUDGET: Duration = Duration::from_secs(60);
/// The daemon sends a comment every 15 s; a stream that is silent for longer than this is dead.
const IDLE: Duration = Duration::from_secs(60);
/// The longest that the head of an answer may take.
const OPEN: Duration = Duration::from_secs(10);
/// No pause is longer than this, so that a restarted daemon is found soon.
const LONGEST: Duration = Duration::from_secs(5);

/// A stream that resumes.
pub struct Follow<'a> {
    client: &'a Client,
    call: Call,
    last_id: Option<String>,
    open: Option<Open>,
    ready: VecDeque<Message>,
    /// The server's own wish for the pause before connecting again.
    retry: Duration,
    /// Attempts since the last message.
    missed: u32,
    /// Since when there has been no open stream.
    missed_since: Option<Instant>,
}

struct Open {
    body: Incoming,
    parser: Parser,
}

/// What a follower has next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A message.
    Message(Message),
    /// The server closed the stream in good order. Asking for the next message opens it again, from there on.
    Closed,
}

impl<'a> Follow<'a> {
    /// A follower; nothing is sent before the first [`next`](Self::next).
    pub fn new(client: &'a Client, call: Call) -> Self {
        Follow {
            client,
            call,
            last_id: None,
            open: None,
            ready: VecDeque::new(),
            retry: Duration::ZERO,
            missed: 0,
            missed_since: None,
        }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// The daemon refuses the stream, stays away for longer than a minute, or sends what is no event stream.
    pub async fn next(&mut self) -> Result<Next, Error> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.missed = 0;
                if !message.id.is_empty() {
                    self.last_id = Some(message.id.clone());
                }
                return Ok(Next::Message(message));
            }
            let read = match &mut self.open {
                Some(open) => read(open, &mut self.ready).await,
                None => {
                    self.reopen().await?;
                    continue;
                }
            };
            match read {
                Ok(true) => self.retry = self.wish(),
                Ok(false) => {
                    self.open = None;
                    return Ok(Next::Closed);
                }
                Err(miss) => self.note(miss)?,
            }
        }
    }

    /// Opens the stream, after a pause if it was open before. On a miss the stream stays closed and is tried again.
    async fn reopen(&mut self) -> Result<(), Error> {
        if self.missed > 0 {
            let pause = delay(self.missed, LONGEST).unwrap_or(LONGEST);
            sleep(pause.max(self.retry).min(LONGEST)).await;
        }
        // Counted now, so that a server that closes each stream at once is not asked without a pause.
        self.missed += 1;
        let opened = timeout(OPEN, self.client.open(&self.call, self.last_id.as_deref())).await;
        let failed = match opened {
            Ok(Ok(response)) if response.status() == StatusCode::OK => {
                self.missed_since = None;
                self.open = Some(Open {
                    body: response.into_body(),
                    parser: Parser::default(),
                });
                return Ok(());
            }
            Ok(Ok(response)) => Miss::Stranger(format!(
                "it answers {} to a request for events",
                response.status()
            )),
            Ok(Err(Failed::Miss(miss))) => miss,
            Ok(Err(Failed::Refused(Error::Refused { status, detail, .. }))) if status >= 500 => {
                Miss::Silent(detail.message)
            }
            Ok(Err(Failed::Refused(error))) => return Err(error),
            Err(_) => Miss::Silent(format!("no answer within {} s", OPEN.as_secs())),
        };
        self.note(failed)
    }

    fn wish(&self) -> Duration {
        let wish = self.open.as_ref().and_then(|open| open.parser.retry());
        wish.unwrap_or(self.retry)
    }

    /// Says why the stream is gone; an error when there is no point in opening it again.
    fn note(&mut self, miss: Miss) -> Result<(), Error> {
        self.open = None;
        let since = *self.missed_since.get_or_insert_with(Instant::now);
        let spent = since.elapsed() >= BUDGET;
        match miss {
            Miss::Unknown(_) | Miss::Nobody(_) | Miss::Silent(_) if !spent => {
                tracing::warn!(attempt = self.missed, cause = %miss, "the stream broke, opening it again");
                Ok(())
            }
            Miss::Unknown(_)
            | Miss::Nobody(_)
            | Miss::Silent(_)
            | Miss::Stranger(_)
            | Miss::Token(_)
            | Miss::Denied(_)
            | Miss::BadToken(_) => Err(self.client.lost(miss, self.missed.max(1), since.elapsed())),
        }
    }
}

/// Reads until there is a message (`true`) or the stream ends in good order (`false`).
async fn read(open: &mut Open, ready: &mut VecDeque<Message>) -> Result<bool, Miss> {
    loop {
        let frame = match timeout(IDLE, open.body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(Miss::from(sort(&error))),
            Ok(None) => return Ok(false),
            Err(_) => return Err(Miss::Silent(format!("silent for {} s", IDLE.as_secs()))),
        };
        let bytes: Bytes = frame.into_data().unwrap_or_default();
        let mut messages = Vec::new();
        let fed = open.parser.feed(&bytes, &mut messages);
        ready.extend(messages);
        match fed {
            Ok(()) if ready.is_empty() => {}
            Ok(()) => return Ok(true),
            Err(error) => return Err(Miss::Stranger(error.to_string())),
        }
    }
}
