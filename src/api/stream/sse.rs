//! The form of a stream's reply. It ends when its source ends, and at once when the daemon ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::api::error::ApiError;

/// A comment is sent so often when there is nothing else, so that both ends notice a connection that is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where the pieces of a stream come from.
pub(super) trait Pieces: Send + 'static {
    /// Waits for the next piece; `None` when there are no more.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// The reply that gives the pieces one by one, as the client takes them. `room` is given back at its end.
pub(super) fn reply(
    pieces: impl Pieces,
    shutdown: CancellationToken,
    room: OwnedSemaphorePermit,
) -> Response {
    let begun = (pieces, shutdown, room);
    let pieces = stream::unfold(begun, async |(mut pieces, shutdown, room)| {
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            next = pieces.next() => next,
        };
        next.map(|event| (Ok::<_, Infallible>(event), (pieces, shutdown, room)))
    });
    Sse::new(pieces)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// A message. `id` and `kind` are of our own making; what could not stand in a line of the stream is left out.
pub(super) fn message(
    id: &str,
    kind: Option<&str>,
    data: &impl Serialize,
) -> Result<Event, ApiError> {
    let data = serde_json::to_string(data);
    let data =
        data.map_err(|error| ApiError::internal(format!("failed to write a message: {error}")))?;
    Ok(written(id, kind, &data))
}

/// The same, of data that is JSON already.
pub(super) fn written(id: &str, kind: Option<&str>, data: &str) -> Event {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let mut event = Event::default().data(data);
    if fits(id) {
        event = event.id(id);
    }
    if let Some(kind) = kind.filter(|kind| fits(kind)) {
        event = event.event(kind);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    struct Silent;

    impl Pieces for Silent {
        async fn next(&mut self) -> Option<Event> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_nothing_to_say_shows_that_it_lives_and_holds_its_room_until_it_ends()
    {
        let rooms = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let room = std::sync::Arc::clone(&rooms).acquire_owned().await;
        let begun = tokio::time::Instant::now();
        let shutdown = CancellationToken::new();
        let mut body = reply(Silent, shutdown.clone(), room.expect("room")).into_body();
        for _ in 0..2 {
            let frame = body.frame().await.expect("open").expect("unbroken");
            let sent = frame.into_data().expect("bytes");
            assert_eq!(sent, ":\n\n", "a comment");
            assert_eq!(rooms.available_permits(), 0);
        }
        // What loopctl takes for silence is a minute.
        assert!(begun.elapsed() <= Duration::from_secs(40));
        shutdown.cancel();
        assert!(body.frame().await.is_none());
        assert_eq!(rooms.available_permits(), 1);
    }
}
