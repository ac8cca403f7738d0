//! What travels between `loopctl` and `loopd`: one type for every JSON body of the HTTP surface, used by both ends and by
//! the OpenAPI document. Times are RFC 3339 in UTC, ids are UUIDs, an absent value is `null` and not a missing key.
//! Nothing in here knows the store or the engine: they are translated at the API's door.

mod error;
mod event;
mod gc;
mod once;
mod query;
mod request;
mod run;
mod schedule;
mod step;
mod worktree;

pub use error::{Candidate, ErrorBody, ErrorDetail};
pub use event::{BadCursor, EventRecord, OutputChunk, OutputCursor};
pub use gc::{GcBranch, GcReply, GcRequest, GcRun};
pub use query::{ListQuery, OutputFormat, OutputQuery, StreamQuery};
pub use request::{CreateRun, MergeStrategy, NameSource, NoBody, ResumeRequest, RetryRequest};
pub use run::{
    CreatedRun, DiffReply, Failure, Handover, Hold, PlanSummary, Postmortem, Run, RunList,
    RunReply, SkippedSection, Status, UsageTotals, Worktree,
};
pub use schedule::{Gate, HeldRun, PolicyView, QueueReply, QueuedRun, WhyReply};
pub use step::{
    Artifact, ArtifactList, ConfinementLevel, Phase, Step, StepAgent, StepConfinement, StepList,
    StepStatus,
};
pub use worktree::{RemovedWorktree, StrayWorktree, WorktreeEntry, WorktreeList, WorktreeQuery};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How `loopd` names itself in `GET /health`.
pub const SERVICE: &str = "loopd";

/// Request header by which a client says how often it had to retry `GET /health` before this request.
pub const READINESS_RETRIES: &str = "x-loopd-readiness-retries";

/// Reply of `GET /health`, the only route that is open without a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always [`SERVICE`]; anything else on the port is not this daemon.
    pub service: String,
    /// Version of the daemon's package.
    pub version: String,
    /// Version of this interface; it rises when a client has to change.
    #[serde(default)]
    pub api: u32,
}

/// Version of the HTTP interface, as `GET /health` says it.
pub const API_VERSION: u32 = 1;

/// Reply of `GET /ready` when runs are taken; when they are not, the reply is an error with status 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
}

/// The wire's form of a core time; a time outside what RFC 3339 can say becomes the nearest that it can.
pub fn stamp(time: crate::core::time::Time) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(if time.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
