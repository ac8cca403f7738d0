//! Which process has opened the other end of a Unix socket. The kernel noted its number when it did; by the time that the
//! connection is taken, which may wait for room, the process may be gone and the number another's. So a handle on the process
//! itself is asked for (Linux 6.5), and the number counts only while that one lives.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket::Holder;
use crate::effect::proc;

/// The process of that number, as the socket's credentials name it.
pub fn of(socket: impl AsFd, pid: i32) -> Holder {
    // It lives where we see no processes, and a step lives where we do.
    if pid == 0 {
        return Holder::Elsewhere;
    }
    let handle = match handle(socket) {
        Ok(handle) => Some(handle),
        // An older kernel: the number is all that there is.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => None,
        // The process is gone, or no descriptor is left.
        Err(_) => return Holder::Unseen,
    };
    let Ok(found) = proc::stat(pid) else {
        return Holder::Unseen;
    };
    // Looked at afterwards: while it lives, its number is nobody else's.
    match handle {
        Some(handle) if !lives(&handle) => Holder::Unseen,
        Some(_) | None => Holder::Process(found.identity),
    }
}

/// A handle on whoever has connected the socket.
fn handle(socket: impl AsFd) -> io::Result<OwnedFd> {
    let mut handle: libc::c_int = -1;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the kernel writes a number of that length into `handle`; the descriptor is new and ours.
    unsafe {
        let done = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut handle).cast(),
            &raw mut length,
        );
        if done != 0 || handle < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(handle))
    }
}

/// Whether the process has not ended; a handle can be read from the moment that it has.
fn lives(handle: &OwnedFd) -> bool {
    let mut wanted = [PollFd::new(handle, PollFlags::IN)];
    matches!(poll(&mut wanted, Some(&Timespec::default())), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    #[test]
    fn who_has_opened_a_connection_is_known_while_it_lives() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("socket");
        let listener = UnixListener::bind(&place).expect("bound");
        let _ours = UnixStream::connect(&place).expect("connects");
        let (taken, _) = listener.accept().expect("accepted");
        let me = std::process::id().cast_signed();
        let identity = proc::stat(me).expect("this process").identity;
        assert_eq!(of(&taken, me), Holder::Process(identity));
        assert_eq!(of(&taken, 0), Holder::Elsewhere);
    }

    #[test]
    fn the_number_of_whoever_is_gone_counts_for_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("socket");
        let listener = UnixListener::bind(&place).expect("bound");
        // Plays itself: connects in a process of its own, which ends with it.
        let mut opener = Command::new(std::env::current_exe().expect("this binary"));
        opener
            .args([
                "--exact",
                "effect::caller::opener::tests::opens",
                "--ignored",
            ])
            .env("OPENS", &place)
            .stdout(Stdio::null());
        assert!(opener.status().expect("it starts").success());
        let (taken, _) = listener.accept().expect("accepted");
        // The number is another's by now: this process's, say.
        let me = std::process::id().cast_signed();
        let identity = proc::stat(me).expect("this process").identity;
        let known = match handle(&taken) {
            // An older kernel tells the number and no more.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                Holder::Process(identity)
            }
            Ok(_) | Err(_) => Holder::Unseen,
        };
        assert_eq!(of(&taken, me), known);
    }

    #[test]
    #[ignore = "played by another test"]
    fn opens() {
        let place = std::env::var_os("OPENS").expect("where");
        UnixStream::connect(place).expect("connects");
    }
}
