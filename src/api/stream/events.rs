//! Public events: who is behind reads pages of the database, one after the other; who has caught up shares what is read
//! once for all (`recent`). The engine's count is looked at *before* either, so that an event between the two is noticed
//! and none is lost; the number of the last event sent is the only place that the stream remembers, so that none is
//! repeated.

use std::collections::VecDeque;

use axum::response::Response;
use axum::response::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::recent::{Next, Told};
use super::sse::{self, Pieces};
use crate::api::state::Shared;
use crate::core::run::RunId;

/// Events that a stream which is behind reads, and so holds in memory, at a time.
const PAGE: u32 = 64;

struct Events {
    app: Shared,
    told: watch::Receiver<u64>,
    run: Option<RunId>,
    after: u64,
    page: VecDeque<Told>,
    follow: bool,
}

/// The events after `after`, of one run or of all; with `follow` also those that are still to come.
pub(in crate::api) fn events(
    app: &Shared,
    room: OwnedSemaphorePermit,
    run: Option<RunId>,
    after: u64,
    follow: bool,
) -> Response {
    let events = Events {
        app: app.clone(),
        told: app.state.engine.told(),
        run,
        after,
        page: VecDeque::new(),
        follow,
    };
    sse::reply(events, app.state.shutdown.clone(), room)
}

impl Pieces for Events {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.page.pop_front() {
                self.after = event.seq;
                return Some(message(&event));
            }
            self.told.borrow_and_update();
            let found = self.app.recent.next(self.run.as_ref(), self.after).await;
            match found {
                Ok(Next::Event(event)) => {
                    self.after = event.seq;
                    return Some(message(&event));
                }
                Ok(Next::Nothing { upto }) => {
                    self.after = upto;
                    if !self.follow || self.told.changed().await.is_err() {
                        return None;
                    }
                }
                Ok(Next::Older { upto }) => self.read(upto).await?,
                Err(error) => return ends(&error),
            }
        }
    }
}

impl Events {
    /// Reads a page of what is older than `upto`. When there is nothing, that is because it is other runs'.
    async fn read(&mut self, upto: u64) -> Option<()> {
        let reader = &self.app.state.reader;
        match reader.events(self.run.as_ref(), self.after, PAGE).await {
            Ok(page) if page.is_empty() => self.after = upto,
            Ok(page) => self.page = page.into_iter().filter_map(Told::of).collect(),
            Err(error) => return ends(&error),
        }
        Some(())
    }
}

/// The client comes back with its last number, and is told then.
fn ends<T>(error: &crate::store::StoreError) -> Option<T> {
    tracing::error!(%error, "a stream of events ends early");
    None
}

fn message(event: &Told) -> Event {
    sse::written(&event.seq.to_string(), Some(&event.kind), &event.data)
}
