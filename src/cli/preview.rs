//! What `loopctl prompt` asks of the rest of the house. This room knows neither git nor the words of a prompt, so the binary
//! hands in somebody who does; here is only the shape of question and answer.

use std::future::Future;
use std::pin::Pin;

use crate::api::wire::{CreateRun, ErrorDetail};
use crate::config::RunDefaults;

/// Answers what the run of this request, under these settings of the user's, would be told first.
pub type Preview = fn(CreateRun, RunDefaults) -> Answer;

/// The answer, when it is there.
pub type Answer = Pin<Box<dyn Future<Output = Result<Shown, Refusal>> + Send>>;

/// A prompt, and what the creator of the run would be warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The whole prompt.
    pub prompt: String,
    /// Warnings, a sentence each.
    pub warnings: Vec<String>,
}

/// The words in which the daemon would refuse the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Code, message, hint.
    pub detail: ErrorDetail,
}
