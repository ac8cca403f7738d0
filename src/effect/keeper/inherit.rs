//! What a keeper takes over from whoever started it, and must not hand on: ignored and blocked signals, open files, the
//! session, the working directory. Also its own signals, as a descriptor that can be waited for. Here
//! stands the `unsafe` of the room, because rustix has no safe call for these.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Signal;

/// What asks a keeper to stop. None of them ends it at once.
const STOP: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// The keeper's own signals, blocked and waiting to be read.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// Leaves behind everything that was inherited. Called first in a process that has opened nothing yet.
///
/// # Errors
/// When the process could not become the one that adopts orphans, or its signals could not be blocked.
pub fn shed() -> io::Result<Signals> {
    // SAFETY: nothing in this process owns a descriptor above the standard ones yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    // A leader of a process group (started by hand from a shell) stays in its session; that is no harm.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::chdir("/")?;
    default_dispositions();
    block()
}

/// An ignored signal stays ignored across exec: a daemon that was started in the background of a shell would hand on
/// an ignored SIGINT to every agent. SIGPIPE is ignored by the Rust runtime itself, which resets it in children; the
/// two numbers below SIGRTMIN are the C library's own and out of reach.
fn default_dispositions() {
    for number in (1..=libc::SIGRTMAX()).filter(|n| *n != libc::SIGPIPE) {
        // SAFETY: only replaces "ignore" by the default; no handler is touched. Unknown numbers are refused.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(number, std::ptr::null(), &mut now) == 0
                && now.sa_sigaction == libc::SIG_IGN
            {
                libc::signal(number, libc::SIG_DFL);
            }
        }
    }
}

/// Blocks our signals, unblocks all others, and makes ours readable.
fn block() -> io::Result<Signals> {
    // SAFETY: plain calls on a set of our own; the descriptor is new and ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in STOP.into_iter().chain([Signal::CHILD]) {
            libc::sigaddset(&mut set, signal.as_raw());
        }
        if libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Signals(OwnedFd::from_raw_fd(fd)))
    }
}

/// Lets a child begin with no signal blocked: the mask, unlike a handler, is handed on across exec.
pub fn unblock_in(child: &mut Command) {
    let unblock = || {
        // SAFETY: plain calls on a set of our own.
        let done = unsafe {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut())
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec it calls nothing but what is safe in a signal handler, and allocates nothing.
    unsafe { child.pre_exec(unblock) };
}

impl Signals {
    /// Takes what has arrived; true when a stop was among it.
    ///
    /// # Errors
    /// Whatever read(2) reports on the descriptor.
    pub fn take(&self) -> io::Result<bool> {
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut stop = false;
        let mut buffer = [0_u8; 8 * RECORD];
        loop {
            let n = match rustix::io::read(&self.0, &mut buffer) {
                Ok(n) => n,
                Err(rustix::io::Errno::AGAIN) => return Ok(stop),
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            // The number is the first field of each record, 32 bits wide.
            for record in buffer[..n].chunks_exact(RECORD) {
                let number = record.first_chunk().map(|b| i32::from_ne_bytes(*b));
                stop |= STOP.iter().any(|s| Some(s.as_raw()) == number);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
