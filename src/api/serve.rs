//! Serving: accepts connections, gives each to the router, and ends in good order. HTTP/1 only, with bounds on what a
//! client may send before it is known; by hand instead of `axum::serve`, which sets none of them.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _};

use super::guard::Asker;
use super::limits::Limits;
use super::listener::{Listener, Stream};

/// How long the head of a request may take to arrive, and how long a connection may idle between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// How long requests may go on after the end was asked for; streams end at once.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptor left for another connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets what is being answered come to its end, for at most ten seconds.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_within(
        Limits::of_this_process().connections,
        listener,
        router,
        shutdown,
    )
    .await
}

/// The same, of so many connections at a time.
async fn serve_within(
    at_a_time: usize,
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(at_a_time));
    // Whatever ends the loop, the connections are told.
    let (stop, abandon) = (shutdown.child_token(), CancellationToken::new());
    let served = loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break Ok(()),
            next = next => next,
        };
        let (stream, caller) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
            Err(error) => break Err(error),
        };
        let asker = Asker::new(caller);
        let service = router
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(asker.clone());
                request
            });
        let (stop, abandon) = (stop.clone(), abandon.clone());
        connections.spawn(async move {
            let _slot = slot;
            match stream {
                Stream::Tcp(stream) => converse(stream, service, stop, abandon).await,
                Stream::Unix(stream) => converse(stream, service, stop, abandon).await,
            }
        });
    };
    drop(listener);
    stop.cancel();
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "cutting off connections that did not end"
        );
        abandon.cancel();
        connections.wait().await;
    }
    served
}

/// One connection, from its first request to its last.
async fn converse<S, R>(stream: S, service: R, stop: CancellationToken, abandon: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = abandon.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// The client was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .map(Some)
        .contains(&errno)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::time::Instant;

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    /// A server of so many connections, and where it listens.
    async fn server(at_a_time: usize) -> (tempfile::TempDir, CancellationToken) {
        let dir = tempfile::tempdir().expect("a directory");
        let address = format!("unix:{}", dir.path().join("socket").display());
        let listener = Listener::bind(&address).await.expect("bound");
        let router = Router::new().route("/", get(async || "here"));
        let shutdown = CancellationToken::new();
        tokio::spawn(serve_within(at_a_time, listener, router, shutdown.clone()));
        (dir, shutdown)
    }

    async fn connected(dir: &tempfile::TempDir, say: &[u8]) -> UnixStream {
        let stream = UnixStream::connect(dir.path().join("socket")).await;
        let mut stream = stream.expect("connects");
        stream.write_all(say).await.expect("says");
        stream
    }

    async fn answered(stream: &mut UnixStream) {
        let hearing = async {
            let mut heard = Vec::new();
            while !heard.ends_with(b"here") {
                assert!(stream.read_buf(&mut heard).await.expect("reads") > 0);
            }
        };
        let heard = timeout(Duration::from_secs(60), hearing).await;
        heard.expect("it is answered");
    }

    #[tokio::test]
    async fn so_many_connections_are_served_and_another_one_when_one_of_them_has_ended() {
        let (dir, _shutdown) = server(2).await;
        let mut served = [connected(&dir, ASK).await, connected(&dir, ASK).await];
        for stream in &mut served {
            answered(stream).await;
        }
        for stream in served {
            let mut waits = connected(&dir, ASK).await;
            // Nothing else is under way: the clock goes on by itself when nobody is answered.
            tokio::time::pause();
            let early = timeout(Duration::from_secs(1), answered(&mut waits)).await;
            assert!(early.is_err(), "there was no room for it");
            tokio::time::resume();
            drop(stream);
            answered(&mut waits).await;
            drop(waits);
            // Its room has come back as well.
            let mut next = connected(&dir, ASK).await;
            answered(&mut next).await;
            std::mem::forget(next);
        }
    }

    #[tokio::test]
    async fn a_connection_that_stops_in_the_middle_of_its_head_is_closed() {
        let (dir, _shutdown) = server(2).await;
        let mut silent = connected(&dir, b"GET / HTT").await;
        tokio::time::pause();
        let begun = Instant::now();
        let mut heard = Vec::new();
        // Closed with an answer or without one.
        let _ = silent.read_to_end(&mut heard).await;
        assert!(begun.elapsed() <= 2 * HEAD_TIMEOUT, "{:?}", begun.elapsed());
    }

    #[test]
    fn what_is_wrong_with_one_connection_or_for_a_while_is_no_end_of_the_listener() {
        use rustix::io::Errno;
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(is_exhaustion(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNABORTED, Errno::CONNRESET, Errno::INTR] {
            assert!(is_of_one_connection(&errno.into()), "{errno}");
        }
        for errno in [Errno::BADF, Errno::INVAL] {
            let error = errno.into();
            assert!(!is_exhaustion(&error) && !is_of_one_connection(&error));
        }
    }
}
