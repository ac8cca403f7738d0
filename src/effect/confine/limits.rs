//! The limits of processes outside, by a filter of system calls: Landlock keeps a step from signalling them, but one that sets
//! the limits of another process (`prlimit`) has the kernel do it: its keeper would be killed at the next byte that it
//! writes. Its own limits a process may set, and look at everybody's. One call is refused and no other, so that nothing
//! else is slower or breaks.
//!
//! The program is classic BPF over `struct seccomp_data`; see seccomp(2).

use std::io;

use libc::{sock_filter, sock_fprog};

/// How the kernel names a way of calling it, and `prlimit64` there.
struct Calls {
    /// `AUDIT_ARCH_*`.
    arch: u32,
    /// The number of the call.
    prlimit: u32,
}

/// This machine's own calls, and those of 32-bit programs on it.
#[cfg(target_arch = "x86_64")]
const CALLS: Option<[Calls; 2]> = Some([
    Calls {
        arch: 0xC000_003E,
        prlimit: 302,
    },
    Calls {
        arch: 0x4000_0003,
        prlimit: 340,
    },
]);
/// The same.
#[cfg(target_arch = "aarch64")]
const CALLS: Option<[Calls; 2]> = Some([
    Calls {
        arch: 0xC000_00B7,
        prlimit: 261,
    },
    Calls {
        arch: 0x4000_0028,
        prlimit: 369,
    },
]);
/// Nobody has looked up the numbers of others.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CALLS: Option<[Calls; 2]> = None;

/// Programs of the x32 kind set this bit in the number of a call.
const X32: u32 = 0x4000_0000;

/// Where in `struct seccomp_data` something stands.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
/// Of which process: the lower half of the first argument.
const PROCESS: u32 = 16;
/// The new limits: both halves of the third argument, which is null where somebody only looks.
const NEW: [u32; 2] = [32, 36];

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;

const LENGTH: usize = 16;

/// One instruction; `yes` and `no` say how many to leap over.
#[expect(clippy::cast_possible_truncation, reason = "codes are 16 bits wide")]
const fn op(code: u32, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    }
}

const fn program([own, other]: &[Calls; 2]) -> [sock_filter; LENGTH] {
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    [
        op(LOAD, ARCH, 0, 0),
        op(IS, own.arch, 0, 3),
        op(LOAD, NUMBER, 0, 0),
        op(AND, !X32, 0, 0),
        op(IS, own.prlimit, 3, 9),
        op(IS, other.arch, 0, 8),
        op(LOAD, NUMBER, 0, 0),
        op(IS, other.prlimit, 0, 6),
        op(LOAD, PROCESS, 0, 0),
        op(IS, 0, 4, 0),
        op(LOAD, NEW[0], 0, 0),
        op(IS, 0, 0, 3),
        op(LOAD, NEW[1], 0, 0),
        op(IS, 0, 0, 1),
        op(ANSWER, libc::SECCOMP_RET_ALLOW, 0, 0),
        op(ANSWER, refused, 0, 0),
    ]
}

static PROGRAM: Option<[sock_filter; LENGTH]> = match &CALLS {
    Some(calls) => Some(program(calls)),
    None => None,
};

/// Whether a filter can be entered here, tried in a thread: not on a machine of another kind, nor where the kernel or a
/// container forbids it.
pub fn can_be_guarded() -> bool {
    let tried = std::thread::spawn(|| {
        // SAFETY: a plain call with numbers; it changes this thread, which ends here.
        let alone = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
        alone && guard().is_ok()
    });
    tried.join().unwrap_or(false)
}

/// Keeps the calling thread, and whatever it starts, from setting the limits of others, for ever. It has to be without new
/// privileges already. Allocates nothing.
///
/// # Errors
/// What the kernel says; `Unsupported` on a machine of another kind.
pub fn guard() -> io::Result<()> {
    let Some(program) = &PROGRAM else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let program = sock_fprog {
        len: u16::try_from(LENGTH).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast_mut(),
    };
    // Without the flag older kernels slow down whatever runs behind a filter.
    let (mode, flags) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    );
    // SAFETY: the kernel copies the program, which is valid for the whole call, and writes nothing.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
