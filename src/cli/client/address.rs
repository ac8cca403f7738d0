//! Where the daemon listens: `http://HOST:PORT` or `unix:PATH`. Parsing, and nothing is dialled.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;

/// A place that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Plain HTTP over TCP.
    Tcp {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// HTTP over a Unix socket.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed address {text:?}: {problem}")]
pub struct BadAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// What goes into the `Host` header; the daemon accepts only loopback names unless told otherwise.
    pub fn host_header(&self) -> String {
        match self {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The directory that a socket would be in and that is not there.
    pub fn missing_dir(&self) -> Option<PathBuf> {
        match self {
            Address::Tcp { .. } => None,
            Address::Unix(path) => {
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty())?;
                (!dir.is_dir()).then(|| dir.to_owned())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { .. } => write!(f, "http://{}", self.host_header()),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |problem| BadAddress {
            text: text.to_owned(),
            problem,
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(bad("the path of the socket is missing")),
                path => Ok(Address::Unix(PathBuf::from(path))),
            };
        }
        if text.starts_with("https:") {
            return Err(bad("TLS is not spoken here, use http:"));
        }
        let uri: Uri = text.parse().map_err(|_| bad("not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("it begins neither with http:// nor with unix:"));
        }
        let authority = uri.authority().ok_or_else(|| bad("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a user name has no place in it"));
        }
        if !matches!(uri.path_and_query().map(|p| p.as_str()), None | Some("/")) {
            return Err(bad("a path has no place in it"));
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(bad("the host is missing"));
        }
        match authority.port_u16() {
            Some(port) if port > 0 => Ok(Address::Tcp {
                host: host.to_owned(),
                port,
            }),
            Some(_) | None => Err(bad("the port is missing or out of range")),
        }
    }
}
