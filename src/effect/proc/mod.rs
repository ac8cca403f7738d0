//! What `/proc` says about processes: their place in the tree, their processor time, what they were started with, and a
//! handle on one of them. A process outside ours is recognised by pid *and* start time, never by pid alone; what cannot be
//! read for want of a descriptor is an error, and never a process that is gone. Not here: who ought to be ended and why.

mod stat;
mod texts;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, PidfdFlags};

pub use stat::{Identity, Stat, stat};
pub use texts::{any_env, argument_after, env_entry, has_env, is_called};

/// Every process that can be seen, parents mostly before their children. Those that end meanwhile are left out.
///
/// # Errors
/// When `/proc` cannot be read. Whoever is alive is never left out for that.
pub fn all() -> io::Result<Vec<Stat>> {
    stats(pids()?)
}

fn stats(pids: impl Iterator<Item = i32>) -> io::Result<Vec<Stat>> {
    pids.filter_map(|pid| seen(stat(pid)).transpose()).collect()
}

/// What was read about a process: `None` when it is gone, or not for us to look into. Anything else that went wrong, such
/// as a descriptor that was not to be had, says nothing of the process.
fn seen<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) || error.raw_os_error() == Some(libc::ESRCH) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The pids of all processes that can be seen, in no order that is promised.
///
/// # Errors
/// When `/proc` itself cannot be listed.
pub fn pids() -> io::Result<impl Iterator<Item = i32>> {
    let entries = std::fs::read_dir("/proc")?.collect::<io::Result<Vec<_>>>()?;
    let names = entries.into_iter().map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()))
}

/// The pids below `roots` in the tree, without the roots and without everything below (and including) `spared`.
pub fn descendants(all: &[Stat], roots: &[i32], spared: Option<i32>) -> HashSet<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for stat in all {
        children
            .entry(stat.parent)
            .or_default()
            .push(stat.identity.pid);
    }
    let mut below = HashSet::new();
    let mut open = roots.to_vec();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if Some(*child) != spared && !roots.contains(child) && below.insert(*child) {
                open.push(*child);
            }
        }
    }
    below
}

/// Whether the process runs under our effective user.
pub fn is_ours(pid: i32) -> bool {
    std::fs::metadata(format!("/proc/{pid}"))
        .is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw())
}

/// Whether the process makes files as another user than we do. False where that cannot be seen.
pub fn is_another_users(pid: i32) -> bool {
    let status = procfs::process::Process::new(pid).and_then(|it| it.status());
    status.is_ok_and(|it| it.fuid != rustix::process::geteuid().as_raw())
}

/// A handle on exactly this process; `None` when it is gone, or its pid belongs to another by now.
///
/// # Errors
/// Whatever else pidfd_open(2) and `/proc` report, such as a process out of descriptors.
pub fn open(identity: Identity) -> io::Result<Option<OwnedFd>> {
    // A record may hold anything; `from_raw` takes no negative number.
    let Some(pid) = Pid::from_raw(identity.pid.max(0)) else {
        return Ok(None);
    };
    let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    // Looked at after the handle is held: from here on the pid cannot change hands unnoticed.
    let it = seen(stat(identity.pid))?;
    Ok(it
        .is_some_and(|stat| stat.identity == identity && stat.alive)
        .then_some(fd))
}

/// The id of this boot of the machine: pids and start times of another boot mean nothing.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// How a person would recognise the process: the start of its command line, else its name, and the pid. One line.
pub fn describe(stat: &Stat) -> String {
    const LONGEST: usize = 200;
    let pid = stat.identity.pid;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&command);
    let text = text.trim_end_matches('\0');
    let text = if text.is_empty() { &stat.name } else { text };
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    format!("{line} (pid {pid})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    /// The tests of one binary share their descriptors, so this one plays in a process of its own.
    #[test]
    fn a_process_that_cannot_be_looked_at_is_not_gone() {
        let own = std::process::Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "effect::proc::tests::has_no_descriptor_left"])
            .args(["--ignored", "--test-threads=1"])
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&own.stdout);
        assert!(own.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "played by another test, in a process of its own"]
    fn has_no_descriptor_left() {
        let me = std::process::id().cast_signed();
        let identity = stat(me).expect("this process").identity;
        let pids: Vec<i32> = pids().expect("/proc").collect();
        let mut taken = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            taken.push(file);
        }
        let none_left = |error: io::Error| error.raw_os_error() == Some(libc::EMFILE);
        assert!(stats(pids.into_iter()).is_err_and(none_left));
        assert!(any_env(me, |_| false).is_err_and(none_left));
        assert!(env_entry(me, OsStr::new("PATH")).is_err_and(none_left));
        assert!(is_called(me, "x").is_err_and(none_left));
        // One for the handle, and none for the look at what it is a handle on.
        taken.pop();
        assert!(open(identity).is_err_and(none_left));
        taken.pop();
        assert!(open(identity).expect("readable").is_some());
    }
}
