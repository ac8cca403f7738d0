//! A point in time as the core sees it: milliseconds since the Unix epoch, always handed in, never read from a clock.
//! Formatting (RFC 3339) belongs to the surfaces; durations of processes belong to their keeper's monotonic clock.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch. Clocks may jump: arithmetic saturates and no rule assumes that time rises.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// This time, `ms` milliseconds later; saturating.
    pub fn plus_ms(self, ms: u64) -> Self {
        Time(self.0.saturating_add_unsigned(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 when the clock has gone backwards.
    pub fn ms_since(self, earlier: Time) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}
