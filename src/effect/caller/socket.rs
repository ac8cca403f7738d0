//! Which process holds the other end of a TCP connection: the kernel's table of connections names a socket, and the
//! process is the one that has it open. Only what is seen counts: a socket that no process can be seen to hold (it is on
//! its way in a message, in a thread with files of its own, or closed) is told as that, and never as a stranger's.

use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use procfs::ProcError;
use procfs::net::TcpNetEntry;
use rustix::process::geteuid;

use crate::effect::proc::{self, Identity};

/// Who holds the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A process that we can see.
    Process(Identity),
    /// Another machine, another user, or a place whose processes we do not see: no step of ours is there.
    Elsewhere,
    /// Somebody here, and it cannot be seen who.
    Unseen,
}

/// Looks for the holder of the socket that is at `theirs` and leads to `ours`, and says by what number the kernel knows
/// that; 0 for none. Who is found may hold it for a moment only, as a child that has just been forked and becomes another
/// program: what follows from it counts while it [`holds`] it.
///
/// # Errors
/// `/proc` cannot be read.
pub fn holder(theirs: SocketAddr, ours: SocketAddr) -> io::Result<(Holder, u64)> {
    let Some(row) = row(theirs, ours)? else {
        let is_here = is_an_address_of_ours(theirs.ip());
        let holder = if is_here {
            Holder::Unseen
        } else {
            Holder::Elsewhere
        };
        return Ok((holder, 0));
    };
    // A socket that was closed has no number any more, and its row says another user.
    if row.inode == 0 {
        return Ok((Holder::Unseen, 0));
    }
    if is_another_user(row.uid) {
        return Ok((Holder::Elsewhere, row.inode));
    }
    // Whoever asks was started just now, as a rule.
    let mut pids: Vec<i32> = proc::pids()?.collect();
    pids.sort_unstable_by_key(|pid| Reverse(*pid));
    for pid in pids {
        if holds(pid, row.inode)
            && let Ok(stat) = proc::stat(pid)
        {
            return Ok((Holder::Process(stat.identity), row.inode));
        }
    }
    Ok((Holder::Unseen, row.inode))
}

/// Whether the process has that socket open, as far as we can see.
pub fn holds(pid: i32, socket: u64) -> bool {
    let wanted = format!("socket:[{socket}]");
    // It has ended, or is not for us to look into.
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .any(|target| target.as_os_str() == wanted.as_str())
}

/// Whether that user is another than ours, so that it is no step's: those cannot change theirs. Root can give a socket to
/// whomever it likes, but sees all processes.
pub fn is_another_user(uid: u32) -> bool {
    let us = geteuid();
    !us.is_root() && uid != us.as_raw()
}

/// The caller's row in the table. Addresses of version 4 may stand in the table of version 6.
fn row(theirs: SocketAddr, ours: SocketAddr) -> io::Result<Option<TcpNetEntry>> {
    let plain = |address: SocketAddr| (address.ip().to_canonical(), address.port());
    let wanted = (plain(theirs), plain(ours));
    let is_it = |row: &TcpNetEntry| (plain(row.local_address), plain(row.remote_address)) == wanted;
    for table in [procfs::net::tcp(), procfs::net::tcp6()] {
        match table {
            Ok(rows) => {
                if let Some(row) = rows.into_iter().find(is_it) {
                    return Ok(Some(row));
                }
            }
            // A kernel without that version.
            Err(ProcError::NotFound(_)) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(None)
}

/// Whether a connection from there was made on this machine.
fn is_an_address_of_ours(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::untried::not_tried;
    use std::net::{TcpListener, TcpStream};

    use rustix::thread::UnshareFlags;

    fn me() -> Holder {
        let me = std::process::id().cast_signed();
        Holder::Process(proc::stat(me).expect("this process").identity)
    }

    /// Another test may just have forked a child, which holds for a moment whatever this process does.
    fn of(theirs: SocketAddr, ours: SocketAddr) -> Holder {
        loop {
            match holder(theirs, ours).expect("readable").0 {
                child @ Holder::Process(_) if child != me() => std::thread::yield_now(),
                found => return found,
            }
        }
    }

    fn found(stream: &TcpStream) -> Holder {
        let address = stream.local_addr().expect("an address");
        of(address, stream.peer_addr().expect("an address"))
    }

    #[test]
    fn the_holder_of_a_connection_is_found_whatever_its_version() {
        for (at, to) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let Ok(listener) = TcpListener::bind(at) else {
                assert!(at.starts_with('['), "{at}");
                not_tried("IPv6", &format!("{at} cannot be listened at"));
                continue;
            };
            let port = listener.local_addr().expect("bound").port();
            let stream = TcpStream::connect((to, port)).expect("connects");
            let (accepted, theirs) = listener.accept().expect("accepts");
            assert_eq!(found(&stream), me(), "{at}");
            let ours = accepted.local_addr().expect("an address");
            assert_eq!(of(theirs, ours), me(), "{at}, as it is accepted");
        }
    }

    #[test]
    fn what_is_closed_or_hidden_is_nobodys_and_what_comes_from_another_machine_is_elsewhere() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(here).expect("connects");
        let (accepted, theirs) = listener.accept().expect("accepts");
        drop(stream);
        assert_eq!(of(theirs, here), Holder::Unseen, "closed");
        drop(accepted);
        let hidden = std::thread::spawn(move || {
            // A table of open files of its own, which nobody sees from outside.
            // SAFETY: the thread opens and closes its own files only.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }.expect("unshared");
            found(&TcpStream::connect(here).expect("connects"))
        });
        assert_eq!(hidden.join().expect("no panic"), Holder::Unseen, "hidden");
        // Closed so that no trace of it is left.
        let gone = SocketAddr::from(([127, 0, 0, 2], 1));
        assert_eq!(of(gone, here), Holder::Unseen, "gone");
        // Never in use there: reserved for documentation.
        let far = SocketAddr::from(([192, 0, 2, 7], 7));
        assert_eq!(of(far, here), Holder::Elsewhere);
    }
}
