//! Times for a person: ages in one unit, moments in the person's time zone. `now` is an argument.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How long ago `then` was: `12s`, `5m`, `3h`, `9d`; `0s` when the clocks disagree.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    seconds(now.duration_since(then).as_secs())
}

/// How far ahead `then` is, in the same words.
pub fn until(now: Timestamp, then: Timestamp) -> String {
    seconds(then.duration_since(now).as_secs())
}

fn seconds(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 60 => format!("{s}s"),
        s if s < 60 * 60 => format!("{}m", s / 60),
        s if s < 48 * 60 * 60 => format!("{}h", s / (60 * 60)),
        s => format!("{}d", s / (24 * 60 * 60)),
    }
}

/// A moment in the person's time zone, to the second.
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
