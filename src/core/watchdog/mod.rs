//! The watchdog: a pure function of recorded evidence that says whether a run goes on as it is, with a note, with a
//! rewritten prompt, waits for a person, or has failed. It never reads agent prose and never looks at a phrase.
//!
//! | step | when |
//! |---|---|
//! | give up | a limit of the run is reached |
//! | hold | the review of one task was rejected too often; or still stuck after every rewrite |
//! | rewrite | stuck, and noted before |
//! | note | the first trouble since a box was ticked, or trouble of a run that moves |
//! | proceed | no trouble |
//!
//! *Stuck* is stricter than *trouble*: it means that going on unchanged would only repeat what was seen (see `stuck`).
//! Not here: whether the run is complete, and what the next iteration is for.

mod judge;
mod stuck;

pub use judge::{Spent, Verdict, judge};

use serde::{Deserialize, Serialize};

/// What the reviewer said about one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// No review was wanted in this iteration.
    #[default]
    NotAsked,
    /// Approved as it stands.
    Approved,
    /// Sent back with findings.
    ChangesRequested,
}

/// How the checks of one iteration ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// The run has no checks.
    #[default]
    None,
    /// Every check passed, and none changed a tracked file.
    Passed,
    /// At least one failed. `fingerprint` is equal for equal failures (commands, exit codes, normalised tail).
    Failed {
        /// Equal for equal failures.
        fingerprint: String,
    },
}

/// What one iteration left behind. A history is a slice of these, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u32,
    /// The text of the task that was selected; `None` when the iteration was for mending or confirming.
    pub task: Option<String>,
    /// Boxes that are done now and were not before this iteration (after the review's verdict); 0 when none.
    pub boxes_ticked: u32,
    /// Commits made by the agent in this iteration, its leftovers included, loopd's own plan commits excluded.
    pub commits: u32,
    /// Identity of the iteration's diff; `None` when it changed nothing. Equal diffs have equal ids.
    pub diff_id: Option<String>,
    /// The tree at the end of the iteration: a tree seen before means that the agent oscillates.
    pub tree: Option<String>,
    /// The agent said that all is complete.
    pub claimed_complete: bool,
    /// Tasks still pending at the end (blocked ones included).
    pub pending: u32,
    /// Tasks marked blocked at the end.
    pub blocked: u32,
    /// The reviewer's verdict.
    pub review: Review,
    /// The checks.
    pub checks: Checks,
    /// Similarity of the agent's output to that of the iteration before, in permille; `None` when there is none before.
    pub output_similarity: Option<u16>,
}

/// The limits that a run was created with; 0 means "off" only where it is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Iterations a run may spend.
    pub iterations: u32,
    /// Failed verifications in a row that fail the run.
    pub max_consecutive_verification_failures: u32,
    /// Rejections in a row that fail the run; 0 = off.
    pub max_consecutive_review_failures: u32,
    /// Rewritten prompts before a person is asked.
    pub max_rewrites: u32,
    /// Rejections of one task before a person is asked.
    pub max_review_rounds: u32,
    /// Tokens a run may spend; `None` or 0 = no limit.
    pub max_tokens: Option<u64>,
    /// Cost in millionths of a US dollar; `None` or 0 = no limit.
    pub max_cost_micro_usd: Option<u64>,
}

/// Why the watchdog is not content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The checks failed.
    VerificationFailed,
    /// No box ticked and no commit made, though there was something to do.
    NoProgress,
    /// The same work again without a box ticked, for long or only back and forth.
    RepeatedTask,
    /// "Complete" was said with open boxes.
    MalformedComplete,
    /// The review of one task does not converge.
    ReviewNotConverging,
}

impl Signal {
    /// The word used in events, prompts and holds.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::VerificationFailed => "verification_failed",
            Signal::NoProgress => "no_progress",
            Signal::RepeatedTask => "repeated_task",
            Signal::MalformedComplete => "malformed_complete",
            Signal::ReviewNotConverging => "review_not_converging",
        }
    }
}

/// How far up the ladder a run is. Any ticked box starts it anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Notes given since the last ticked box.
    pub notes: u32,
    /// Rewrites made since the last ticked box.
    pub rewrites: u32,
}
