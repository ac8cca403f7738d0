//! What `/proc` says about processes: their place in the tree, their processor time, one entry of their environment,
//! and a handle on one of them. A process outside ours is recognised by pid *and* start time, never by pid alone.
//! Not here: who ought to be ended and why.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

/// A process of this boot: the pid may be given away again, the pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
}

/// The fields of `/proc/<pid>/stat` that are of use here; see proc_pid_stat(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub identity: Identity,
    pub name: String,
    pub parent: i32,
    pub session: i32,
    /// Processor time of its own, in clock ticks.
    pub own_ticks: u64,
    /// Processor time of the children it has waited for, theirs included, in clock ticks.
    pub reaped_ticks: u64,
    /// False for a zombie whose last thread has ended: nothing is left that could run.
    pub alive: bool,
}

/// Reads the state of one process.
///
/// # Errors
/// `NotFound` (or ESRCH) when there is no such process.
pub fn stat(pid: i32) -> io::Result<Stat> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat"))?;
    parse_stat(&bytes).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("/proc/{pid}/stat has an unknown shape"),
        )
    })
}

/// The name stands in parentheses and may hold anything, parentheses, blanks and line ends included: the fields are
/// counted from the last `)`.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|b| *b == b'(')?;
    let close = bytes.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(&bytes[..open])
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `state` is field 3 of the manual page and the first one after the name.
    let field = |number: usize| fields.get(number - 3).copied();
    let ticks =
        |number: usize| Some(u64::try_from(field(number)?.parse::<i64>().ok()?).unwrap_or(0));
    // A leader that has ended while other threads work on is shown as a zombie, too.
    let threads: i64 = field(20)?.parse().ok()?;
    let alive = match field(3)? {
        "Z" | "X" | "x" => threads > 1,
        _ => true,
    };
    Some(Stat {
        identity: Identity {
            pid,
            start_time: field(22)?.parse().ok()?,
        },
        name,
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        own_ticks: ticks(14)?.saturating_add(ticks(15)?),
        reaped_ticks: ticks(16)?.saturating_add(ticks(17)?),
        alive,
    })
}

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

/// A list of texts that `/proc` has about a process, each ended by a zero; empty where there is nothing to be seen.
fn texts(pid: i32, name: &str) -> io::Result<Vec<u8>> {
    let read = seen(std::fs::read(format!("/proc/{pid}/{name}")))?;
    Ok(read.unwrap_or_default())
}

/// Whether the process was started with exactly this `NAME=value` in its environment.
///
/// # Errors
/// As [`any_env`].
pub fn has_env(pid: i32, entry: &OsStr) -> io::Result<bool> {
    any_env(pid, |found| found == entry.as_bytes())
}

/// Whether the process was started with such a `NAME=value` in its environment. False when it is gone, or not for us to
/// look into.
///
/// # Errors
/// `/proc` cannot be read.
pub fn any_env(pid: i32, wanted: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    Ok(texts(pid, "environ")?.split(|b| *b == 0).any(wanted))
}

/// The value of that name in the environment that the process was started with. `None` also when it is gone, or not for us
/// to look into.
///
/// # Errors
/// `/proc` cannot be read.
pub fn env_entry(pid: i32, name: &OsStr) -> io::Result<Option<OsString>> {
    let environ = texts(pid, "environ")?;
    let mut entries = environ.split(|b| *b == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    Ok(value.map(|value| OsString::from_vec(value.to_vec())))
}

/// Whether the first argument of the process is this word.
///
/// # Errors
/// `/proc` cannot be read.
pub fn is_called(pid: i32, word: &str) -> io::Result<bool> {
    Ok(argument_after(pid, word)?.is_some())
}

/// The second argument of a process whose first argument is this word; empty when it has none. `None` also when it is gone.
///
/// # Errors
/// `/proc` cannot be read.
pub fn argument_after(pid: i32, word: &str) -> io::Result<Option<OsString>> {
    let line = texts(pid, "cmdline")?;
    let mut arguments = line.split(|b| *b == 0).skip(1);
    let is_called = arguments.next() == Some(word.as_bytes());
    let second = || OsString::from_vec(arguments.next().unwrap_or_default().to_vec());
    Ok(is_called.then(second))
}

/// Whether the process runs under our effective user.
pub fn is_ours(pid: i32) -> bool {
    std::fs::metadata(format!("/proc/{pid}"))
        .is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw())
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

    fn line(name: &str, state: &str, threads: u32) -> Vec<u8> {
        format!(
            "42 ({name}) {state} 7 41 40 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 {threads} 0 987 1 1"
        )
        .into_bytes()
    }

    #[test]
    fn a_name_may_hold_parentheses_and_line_ends() {
        let stat = parse_stat(&line("a) R 1 (b\n", "S", 1)).expect("parses");
        assert_eq!(stat.name, "a) R 1 (b\n");
        assert_eq!((stat.parent, stat.session), (7, 40));
        assert_eq!((stat.own_ticks, stat.reaped_ticks), (30, 70));
        assert_eq!(
            stat.identity,
            Identity {
                pid: 42,
                start_time: 987
            }
        );
    }

    #[test]
    fn a_zombie_with_working_threads_is_alive() {
        assert!(!parse_stat(&line("x", "Z", 1)).expect("parses").alive);
        assert!(parse_stat(&line("x", "Z", 3)).expect("parses").alive);
    }

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

    #[test]
    fn a_truncated_line_is_no_process() {
        assert_eq!(parse_stat(b"42 (x) S 7"), None);
        assert_eq!(parse_stat(b")42("), None);
        assert_eq!(parse_stat(b""), None);
    }
}
