//! What cannot be written down at present, told of the runs that wait for it: a report that the store does not take, a disk
//! without room for any. Agents work on meanwhile; nothing is decided here.

use crate::core::run::RunId;
use crate::core::schedule::Gate;

/// What the daemon cannot store.
#[derive(Clone, Debug)]
pub struct Unstored {
    /// Why, and what to do.
    pub gate: Gate,
    /// The runs whose reports wait; `None` where it is every run at work.
    pub runs: Option<Vec<RunId>>,
}

impl Unstored {
    /// Whether this run, which is at work, waits for it.
    pub fn holds(&self, run: &RunId) -> bool {
        self.runs.as_ref().is_none_or(|runs| runs.contains(run))
    }
}
