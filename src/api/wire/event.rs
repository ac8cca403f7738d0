//! What the two SSE streams carry in `data:`. The `id:` lines that make them resumable are the `seq` of an event and
//! the `step:offset` of a piece of output.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One public event; sent with `event: <type>` and `id: <seq>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventRecord {
    /// Rises by every event of the daemon; the only order there is.
    pub seq: i64,
    /// `RUN_CREATED`, `STEP_STARTED`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The run that it is about.
    pub run_id: Option<Uuid>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What the type promises.
    #[schema(value_type = Object)]
    pub payload: serde_json::Value,
}

/// A piece of a step's output; bytes that are not UTF-8 arrive as U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputChunk {
    /// The step that wrote it.
    pub step_id: String,
    /// The step's phase.
    pub phase: super::Phase,
    /// Where the piece begins in what the step wrote, in bytes; of a verification: in the logs of its checks, one after
    /// the other.
    pub offset: u64,
    /// The text.
    pub text: String,
}

/// A place in the output of a run: the `id:` of an output stream, written `step:offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputCursor {
    /// The step: `<run id>.<generation>`.
    pub step_id: String,
    /// Bytes of the step's output that were delivered, whatever was made of them; one more than there are when its end
    /// was delivered, too.
    pub offset: u64,
}

impl OutputCursor {
    /// The run and the generation that the step's id is made of.
    pub fn step(&self) -> Option<(Uuid, u64)> {
        step_of(&self.step_id)
    }
}

fn step_of(id: &str) -> Option<(Uuid, u64)> {
    let (run, generation) = id.split_once('.')?;
    Some((run.parse().ok()?, generation.parse().ok()?))
}

impl fmt::Display for OutputCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.step_id, self.offset)
    }
}

/// A cursor that is not `step:offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an output cursor is written RUN_ID.GENERATION:OFFSET")]
pub struct BadCursor;

impl FromStr for OutputCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (step, offset) = text.split_once(':').ok_or(BadCursor)?;
        step_of(step).ok_or(BadCursor)?;
        Ok(OutputCursor {
            step_id: step.to_owned(),
            offset: offset.parse().map_err(|_| BadCursor)?,
        })
    }
}
