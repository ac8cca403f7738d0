//! What the log is told of refusals that pass (503): as warnings, since nothing of loopd's is broken when a client asks
//! too much or the disk is full, and only so many of each kind: who asks in a loop fills no disk with them. Not here:
//! which refusals those are (`error.rs`), and what a client is answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::guard::Pace;

/// Of each code so many are told at once, and from then on so many a second.
const AT_ONCE: u32 = 10;
const PER_SECOND: u32 = 1;

/// How many of each were told of late.
#[derive(Debug)]
pub(super) struct Told {
    /// By their codes, which are few: each is a word of loopd's own.
    codes: Mutex<BTreeMap<String, Kind>>,
}

#[derive(Debug)]
struct Kind {
    pace: Pace,
    left_out: u64,
}

impl Told {
    pub(super) const fn new() -> Self {
        Told {
            codes: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether one more of this code is told at this time: with how many were left out since the last one.
    pub(super) fn admits(&self, code: &str, now: Instant) -> Option<u64> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = codes.entry(code.to_owned()).or_insert_with(|| Kind {
            pace: Pace::new(AT_ONCE, PER_SECOND),
            left_out: 0,
        });
        if kind.pace.admits(now) {
            return Some(std::mem::take(&mut kind.left_out));
        }
        kind.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_told_by_its_first_ones_and_then_by_how_many_were_left_out() {
        let (told, begin) = (Told::new(), Instant::now());
        let flood = |code: &str, after_ms: u64| -> Vec<u64> {
            let at = begin + Duration::from_millis(after_ms);
            (0..1000).filter_map(|_| told.admits(code, at)).collect()
        };
        assert_eq!(flood("busy", 0), [0; 10]);
        // Another one is not hidden by it.
        assert_eq!(flood("disk_full", 0), [0; 10]);
        assert_eq!(flood("busy", 2_500), [990, 0]);
        assert_eq!(flood("busy", 3_600), [998]);
    }
}
