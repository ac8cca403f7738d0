//! How to reach the daemon, the wait until it is ready there, and what is said of it when it is not. What is asked of a daemon
//! that was found ready is in `request`.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::address::Address;
use super::readiness::{Miss, NotReady, probe, wait};
use super::request::Client;
use super::token::TokenSource;
use super::unreachable::{Kind, Unreachable};
use crate::cli::error::Error;

/// How to reach the daemon.
#[derive(Clone)]
pub struct Endpoint {
    /// Where.
    pub address: Address,
    /// The token.
    pub token: TokenSource,
    /// The command that starts a daemon there; for messages.
    pub start: String,
}

impl Endpoint {
    /// Waits until the daemon is ready.
    ///
    /// # Errors
    /// [`Error::Unreachable`], or a token that cannot be used.
    pub async fn ready(self, budget: Duration) -> Result<Client, Error> {
        let found = wait(budget, async |patience| {
            probe(&self.address, &self.token, patience).await
        });
        match found.await {
            Ok(ready) => {
                tracing::debug!(version = %ready.health.version, retries = ready.retries, "loopd is ready");
                Ok(Client {
                    endpoint: self,
                    untold_retries: AtomicU32::new(ready.retries),
                })
            }
            Err(not_ready) => Err(self.blame(not_ready)),
        }
    }

    pub(super) fn blame(&self, not_ready: NotReady) -> Error {
        let cause = not_ready.miss.to_string();
        let kind = match not_ready.miss {
            Miss::Unknown(_) => Kind::UnknownHost,
            Miss::Nobody(_) => match self.address.missing_dir() {
                Some(dir) => Kind::NoDirectory { dir },
                None => Kind::NothingListens,
            },
            Miss::Silent(_) => Kind::TimedOut,
            Miss::Stranger(_) => Kind::NotLoopd,
            Miss::Denied(_) => Kind::Denied,
            Miss::Token(_) | Miss::BadToken(_) => Kind::TokenRefused {
                place: self.token.place(),
            },
        };
        Error::Unreachable(Box::new(Unreachable {
            kind,
            address: self.address.clone(),
            cause,
            attempts: not_ready.attempts,
            elapsed: not_ready.elapsed,
            start: self.start.clone(),
        }))
    }
}
