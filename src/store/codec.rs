//! Between our values and SQLite's: whole numbers, and JSON that names what it belongs to when it cannot be read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;

/// SQLite's integers are signed; none of our counters gets near the end of them.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Back again. The schema refuses negative ones wherever this is used.
pub(super) fn nat(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The JSON text of `value`.
pub(super) fn text(what: &str, value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::unreadable(what, e))
}

/// The value of a JSON text; `what` says whose it is.
pub(super) fn value<T: DeserializeOwned>(
    what: impl Fn() -> String,
    text: &str,
) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|e| Fault::unreadable(what(), e))
}
