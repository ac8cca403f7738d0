//! Single values of the page, as a person reads them.

use std::fmt::Write as _;

use crate::core::time::Time;
use crate::core::watchdog::{Checks, Iteration, Review};

/// Characters of one cell or of one line of the timeline.
const CELL: usize = 160;

pub(super) fn review(it: &Iteration) -> &'static str {
    match it.review {
        Review::NotAsked => "-",
        Review::Approved => "approved",
        Review::ChangesRequested => "sent back",
    }
}

pub(super) fn checks(it: &Iteration) -> &'static str {
    match it.checks {
        Checks::None => "-",
        Checks::Passed => "passed",
        Checks::Failed { .. } => "failed",
    }
}

pub(super) fn none() -> String {
    "-".to_owned()
}

pub(super) fn when(at: Option<Time>) -> String {
    let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
    at.map_or_else(none, |at| at.to_string())
}

/// A duration for people.
pub(super) fn span(ms: u64) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    match seconds {
        0..60 => format!("{seconds}.{tenths} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Text that stays in its cell: one line, no bars, not too long.
pub(super) fn cell(text: &str) -> String {
    let mut cell = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == CELL {
            cell.push('…');
            break;
        }
        let _ = match c {
            '|' => write!(cell, "\\|"),
            c if c.is_control() => write!(cell, " "),
            c => write!(cell, "{c}"),
        };
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (ms, text) in [
            (0, "0.0 s"),
            (1_250, "1.2 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min 0 s"),
            (3_599_999, "59 min 59 s"),
            (3_600_000, "1 h 0 min"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn a_text_stays_in_its_cell_and_is_not_too_long() {
        assert_eq!(cell("a|b\tc\r\nd\u{1b}e"), "a\\|b c  d e");
        let (just, more) = ("ä".repeat(CELL), "ä".repeat(CELL + 1));
        assert_eq!(cell(&just), just);
        assert_eq!(cell(&more), format!("{just}…"));
    }
}
