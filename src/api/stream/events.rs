//! Public events: pages of the database, one after the other, then whatever the engine tells. The engine's count is looked
//! at *before* the page is read, so that an event between the two is noticed and none is lost; the number of the last
//! event sent is the only place that the stream remembers, so that none is repeated.

use std::collections::VecDeque;

use axum::response::Response;
use axum::response::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::sse::{self, Pieces};
use crate::api::state::Shared;
use crate::api::view;
use crate::core::run::RunId;
use crate::store::{Reader, StoredEvent};

/// Events that are read, and so held in memory, at a time.
const PAGE: u32 = 200;

struct Events {
    reader: Reader,
    told: watch::Receiver<u64>,
    run: Option<RunId>,
    after: u64,
    page: VecDeque<StoredEvent>,
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
        reader: app.state.reader.clone(),
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
                return self.message(event);
            }
            self.told.borrow_and_update();
            let page = self
                .reader
                .events(self.run.as_ref(), self.after, PAGE)
                .await;
            match page {
                Ok(page) => self.page = page.into(),
                Err(error) => {
                    // The client comes back with its last number, and is told then.
                    tracing::error!(%error, "a stream of events ends early");
                    return None;
                }
            }
            if self.page.is_empty() && (!self.follow || self.told.changed().await.is_err()) {
                return None;
            }
        }
    }
}

impl Events {
    fn message(&self, event: StoredEvent) -> Option<Event> {
        let record = view::record(event);
        let message = sse::message(&record.seq.to_string(), Some(&record.kind), &record);
        // Only an event that has no JSON at all ends the stream, and such a one is not stored.
        message.ok()
    }
}
