//! Open files: the daemon asks for as many as its clients need, and what it starts gets what the daemon was given. Old
//! programs that wait by select(2) break where descriptors have large numbers, which is why a shell gives few.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process was given, once it has asked for more.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit of this process to `wanted`, within what the system allows; how many there are now.
pub fn raise(wanted: u64) -> u64 {
    let given = getrlimit(Resource::Nofile);
    let Some(current) = given.current.filter(|current| *current < wanted) else {
        return wanted;
    };
    let most = given.maximum.map_or(wanted, |most| wanted.min(most));
    let raised = Rlimit {
        current: Some(most.max(current)),
        maximum: given.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => {
            let _ = GIVEN.set(given);
            most.max(current)
        }
        Err(error) => {
            tracing::warn!(%error, current, wanted, "failed to raise the limit of open files");
            current
        }
    }
}

/// Gives a child what this process was given itself.
pub(super) fn restore_in(child: &mut tokio::process::Command) {
    let Some(given) = GIVEN.get() else { return };
    let (current, maximum) = (given.current, given.maximum);
    let restore =
        move || setrlimit(Resource::Nofile, Rlimit { current, maximum }).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes one system call, and allocates nothing.
    unsafe { child.pre_exec(restore) };
}
