//! One line of `/proc/<pid>/stat`: who a process is, its place in the tree, its processor time.

use std::io;

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

    #[test]
    fn a_truncated_line_is_no_process() {
        assert_eq!(parse_stat(b"42 (x) S 7"), None);
        assert_eq!(parse_stat(b")42("), None);
        assert_eq!(parse_stat(b""), None);
    }
}
