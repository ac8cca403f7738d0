//! The wall clock, read in one place of the daemon. Everything below is handed the time; durations of processes belong
//! to their keepers' monotonic clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::time::Time;

/// Now, by the wall clock.
pub fn now() -> Time {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Time(ms)
}
