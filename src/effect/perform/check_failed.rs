//! A check that has failed: why, in words; the end of what it said; and how an equal failure is known again.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::trouble::io_trouble;
use crate::core::run::{CheckFailure, Trouble};
use crate::effect::keeper::{CommandRecord, Stopped};

/// Bytes of a failed check's output that go into the next prompt.
const TAIL_BYTES: u64 = 4096;

/// Why the check has not passed; `None` when it has.
pub(super) fn why_failed(ended: &CommandRecord, timeout_sec: u64) -> Option<String> {
    if let Some(why) = &ended.not_started {
        return Some(format!("not started: {why}"));
    }
    match (ended.stopped, ended.exit_code, ended.signal) {
        (Some(Stopped::TimedOut), _, _) => {
            let running = ended.was_running().map(|it| format!("; {it}"));
            Some(format!(
                "not done after {timeout_sec} s (verify_timeout_sec){}",
                running.unwrap_or_default()
            ))
        }
        (Some(Stopped::Idle | Stopped::Canceled), _, _) => Some("stopped".to_owned()),
        (None, Some(0), _) => None,
        (None, Some(code), _) => Some(format!("exit status {code}")),
        (None, None, Some(signal)) => Some(format!("ended by signal {signal}")),
        (None, None, None) => Some("did not run".to_owned()),
    }
}

/// The end of the check's log; empty where there is none.
pub(super) fn tail_of(log: &Path) -> Result<String, Trouble> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let tried = || io_trouble(format!("read {}", log.display()));
    let mut file = match std::fs::File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(tried()(error)),
    };
    let len = file.metadata().map_err(tried())?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))
        .map_err(tried())?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES)
        .read_to_end(&mut bytes)
        .map_err(tried())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Equal for equal failures: digits are left out, because times, addresses and counts differ between equal failures.
pub(super) fn fingerprint(failures: &[CheckFailure]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut hash = Sha256::new();
    for failure in failures {
        let same: String = failure
            .tail
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .collect();
        hash.update(format!("{}\0{}\0{same}\0", failure.command, failure.why));
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_which_nothing_is_known_has_not_passed() {
        let unknown = CommandRecord::default();
        assert_eq!(why_failed(&unknown, 5).as_deref(), Some("did not run"));
        let passed = CommandRecord {
            exit_code: Some(0),
            ..unknown.clone()
        };
        assert_eq!(why_failed(&passed, 5), None);
        let stopped = CommandRecord {
            stopped: Some(Stopped::Canceled),
            ..passed
        };
        assert_eq!(why_failed(&stopped, 5).as_deref(), Some("stopped"));
    }

    #[test]
    fn equal_failures_are_known_again_whatever_they_counted() {
        let failed = |command: &str, tail: &str| {
            fingerprint(&[CheckFailure {
                command: command.to_owned(),
                why: "exit status 1".to_owned(),
                tail: tail.to_owned(),
            }])
        };
        assert_eq!(failed("c", "took 12 ms\n"), failed("c", "took 9 ms\n"));
        assert_ne!(failed("c", "took 12 ms\n"), failed("c", "lost 12 ms\n"));
        assert_ne!(failed("c", ""), failed("d", ""));
        assert_eq!(fingerprint(&[]), "");
    }
}
