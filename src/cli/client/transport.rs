//! One HTTP exchange: dial, send, get the head of the answer. What can go wrong is sorted by what it says about the
//! other side, because readiness decides by that whether trying again has a point.

use std::io;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::address::Address;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The name of the host could not be turned into an address.
    #[error("{0}")]
    Lookup(io::Error),
    /// Nobody accepts connections there.
    #[error("{0}")]
    Dial(io::Error),
    /// The socket is there and may not be used.
    #[error("{0}")]
    Denied(io::Error),
    /// The connection ended before the answer did.
    #[error("the connection was closed: {0}")]
    Dropped(String),
    /// Somebody answered, not in HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
}

/// Sends one request and waits for the head of its answer; the body is read by the caller.
///
/// # Errors
/// [`TransportError`]. There is no timeout in here: the caller knows how long it can wait.
pub async fn exchange(
    address: &Address,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, TransportError> {
    match address {
        Address::Tcp { host, port } => {
            let found = tokio::net::lookup_host((host.as_str(), *port)).await;
            let found: Vec<_> = found.map_err(TransportError::Lookup)?.collect();
            let stream = TcpStream::connect(found.as_slice()).await;
            send(stream.map_err(dial_error)?, request).await
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            send(stream.map_err(dial_error)?, request).await
        }
    }
}

fn dial_error(error: io::Error) -> TransportError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => TransportError::Denied(error),
        _ => TransportError::Dial(error),
    }
}

async fn send<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| sort(&error))?;
    // Ends by itself when the answer's body has been read or dropped.
    let driver = tokio::spawn(connection);
    match sender.send_request(request).await {
        Ok(response) => Ok(response),
        // The connection failed before it took the request: the reason is with the connection.
        Err(error) if error.is_canceled() || error.is_closed() => match driver.await {
            Ok(Err(reason)) => Err(sort(&reason)),
            Ok(Ok(())) | Err(_) => Err(sort(&error)),
        },
        Err(error) => Err(sort(&error)),
    }
}

/// What an error of the HTTP library says about the other side. Its root cause decides: a canceled request may only be
/// the echo of an answer that made no sense.
pub fn sort(error: &hyper::Error) -> TransportError {
    let mut text = error.to_string();
    let mut broken = is_break(error);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<io::Error>() {
            broken = true;
        } else if let Some(cause) = cause.downcast_ref::<hyper::Error>() {
            broken = is_break(cause);
        }
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if broken {
        TransportError::Dropped(text)
    } else {
        TransportError::NotHttp(text)
    }
}

fn is_break(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Here and not in the suite: root, as whom it may run, is refused nothing.
    #[test]
    fn a_socket_that_may_not_be_used_is_told_from_one_that_nobody_listens_at() {
        let dialled = |kind: io::ErrorKind| dial_error(kind.into());
        let denied = dialled(io::ErrorKind::PermissionDenied);
        assert!(matches!(denied, TransportError::Denied(_)), "{denied}");
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused] {
            let nobody = dialled(kind);
            assert!(matches!(nobody, TransportError::Dial(_)), "{nobody}");
        }
    }
}
