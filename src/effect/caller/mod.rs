//! Who asks over a connection: somebody outside, or a process of a step that works behind a fence. A fence of what may be
//! written is worth little where the step can ask the daemon to write for it, or to start a run that has none; and the
//! secret of the API is a file that a step can read.
//!
//! | room | what lives there |
//! |---|---|
//! | `socket` | which process holds the other end of a TCP connection |
//! | `opener` | which process has opened the other end of a Unix socket |
//! | here | what that process is to us |
//!
//! A process is asked for while its connection is open, and whoever cannot be found is told apart from whoever is
//! outside: a step must not gain by hiding. Not here: what is refused to whom, and how it is said.

mod opener;
mod socket;

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::net::{TcpStream, UnixStream};

use self::socket::Holder;
use super::keeper;

/// How often a socket is looked for whose holder has just let go of it.
const TRIES: u32 = 10;

/// The other end of a connection, as far as it is known when the connection is taken.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// Seen then: whoever connected a Unix socket.
    Seen(Holder),
    /// Of a TCP connection: looked up when it matters, because that takes a walk through `/proc`.
    Tcp {
        /// The caller's address.
        theirs: SocketAddr,
        /// Ours, as the caller sees it.
        ours: SocketAddr,
    },
}

/// Where somebody stands who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whence {
    /// In no fence that this process is not in itself: a person, another user, another machine.
    Outside,
    /// In the step of this id, behind its fence.
    Step(String),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Caller {
    /// Who connected this socket.
    pub fn of_unix(stream: &UnixStream) -> Self {
        let holder = match stream.peer_cred() {
            Err(_) => Holder::Unseen,
            Ok(peer) if socket::is_another_user(peer.uid()) => Holder::Elsewhere,
            Ok(peer) => opener::of(stream, peer.pid().unwrap_or(0)),
        };
        Caller::Seen(holder)
    }

    /// Whoever is at the other end of this connection.
    pub fn of_tcp(stream: &TcpStream, theirs: SocketAddr) -> Self {
        match stream.local_addr() {
            Ok(ours) => Caller::Tcp { theirs, ours },
            Err(_) => Caller::Seen(Holder::Unseen),
        }
    }

    /// Where the caller stands, now. Blocks while `/proc` is read: microseconds for a Unix socket, some milliseconds for
    /// TCP on a machine with many processes.
    pub fn whence(&self) -> Whence {
        let found = match self {
            Caller::Seen(holder) => judge(*holder),
            Caller::Tcp { theirs, ours } => of_tcp(*theirs, *ours),
        };
        found.unwrap_or_else(|error| match keeper::is_any_fenced() {
            // Nobody is there who could be hiding.
            Ok(false) => Whence::Outside,
            Ok(true) | Err(_) => Whence::Unknown(error.to_string()),
        })
    }
}

fn of_tcp(theirs: SocketAddr, ours: SocketAddr) -> io::Result<Whence> {
    for _ in 0..TRIES {
        let (holder, socket) = socket::holder(theirs, ours)?;
        let whence = judge(holder);
        match holder {
            // A child of whoever asks, that was just forked and had no time yet to close what it does not need.
            Holder::Process(process) if !socket::holds(process.pid, socket) => {}
            Holder::Process(_) | Holder::Elsewhere | Holder::Unseen => return whence,
        }
    }
    Err(io::Error::other(
        "the socket passes from process to process",
    ))
}

/// What follows when this is who asks.
fn judge(holder: Holder) -> io::Result<Whence> {
    match holder {
        Holder::Elsewhere => Ok(Whence::Outside),
        Holder::Unseen => Err(io::Error::other("no process is seen to hold the other end")),
        Holder::Process(process) => {
            Ok(keeper::step_around(process)?.map_or(Whence::Outside, Whence::Step))
        }
    }
}

/// Whether callers over TCP can be told apart on this machine, found by trying: some sandboxes and containers have a
/// `/proc` that does not say who holds a connection.
pub fn are_told_apart() -> bool {
    let trial = || -> io::Result<(SocketAddr, SocketAddr, TcpListener, std::net::TcpStream)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
        Ok((stream.local_addr()?, stream.peer_addr()?, listener, stream))
    };
    match trial() {
        Ok((ours, theirs, _listener, _stream)) => {
            matches!(socket::holder(ours, theirs), Ok((Holder::Process(_), _)))
        }
        // No port is left, say, which says nothing of `/proc`; and somebody may have taken them all on purpose.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_callers_apart() {
        assert!(are_told_apart());
    }
}
