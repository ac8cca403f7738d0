//! A stored value that the wire has no word for: written by a newer loopd, or damaged.

use crate::api::error::ApiError;

/// What cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("failed to show {what}: {value:?} is not known; run `loopd check`")]
pub(crate) struct Unreadable {
    pub what: String,
    pub value: String,
}

impl From<Unreadable> for ApiError {
    fn from(error: Unreadable) -> Self {
        ApiError::internal(error.to_string())
    }
}
