//! Where the daemon listens: `http://HOST:PORT` or `unix:PATH`. Binding and accepting only; who may speak here, and what
//! is answered, is decided elsewhere.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::effect::caller::Caller;

/// A bound place.
#[derive(Debug)]
pub enum Listener {
    /// Plain HTTP over TCP.
    Tcp(TcpListener),
    /// HTTP over a Unix socket; the path is removed at the end.
    Unix(UnixListener, PathBuf),
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Why nobody can listen there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not an address.
    #[error("malformed address {address:?}: write http://HOST:PORT or unix:PATH")]
    Malformed {
        /// As it was given.
        address: String,
    },
    /// The system refuses.
    #[error("failed to listen at {address}: {source}{}", hint(source))]
    Bind {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; end what listens there, or choose another place with --addr",
        _ => "",
    }
}

impl Listener {
    /// Binds. A host that is not loopback is warned about: whoever has the token may then come from anywhere.
    ///
    /// # Errors
    /// [`ListenError`], naming the address.
    pub async fn bind(address: &str) -> Result<Listener, ListenError> {
        let bad = || ListenError::Malformed {
            address: address.to_owned(),
        };
        let refused = |source| ListenError::Bind {
            address: address.to_owned(),
            source,
        };
        if let Some(path) = address.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(bad());
            }
            return unix(Path::new(path)).await.map_err(refused);
        }
        let place = address.strip_prefix("http://").ok_or_else(bad)?;
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').ok_or_else(bad)?;
        let port: u16 = port.parse().map_err(|_| bad())?;
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(bad());
        }
        let listener = TcpListener::bind((host, port)).await.map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        if !local.ip().is_loopback() {
            tracing::warn!(%local, "listening beyond loopback, without TLS: the token is all that protects this machine");
        }
        Ok(Listener::Tcp(listener))
    }

    /// Where it listens, as a client would say it; with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> io::Result<String> {
        match self {
            Listener::Tcp(listener) => Ok(format!("http://{}", listener.local_addr()?)),
            Listener::Unix(_, path) => Ok(format!("unix:{}", path.display())),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Caller)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, theirs) = listener.accept().await?;
                // Small replies and events go out at once; without it they are only slower.
                let _ = stream.set_nodelay(true);
                let caller = Caller::of_tcp(&stream, theirs);
                Ok((Stream::Tcp(stream), caller))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let caller = Caller::of_unix(&stream);
                Ok((Stream::Unix(stream), caller))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        match self {
            Listener::Tcp(_) => {}
            // One that stays behind is recognised as dead by the next daemon.
            Listener::Unix(_, path) => drop(fs::remove_file(path)),
        }
    }
}

/// Binds to a path. A socket that nobody listens at any more is removed; anything else there is left alone.
async fn unix(path: &Path) -> io::Result<Listener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?
            }
            Ok(_) | Err(_) => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(listener, path.to_owned()))
}
