//! The analysis of an ended run: one at a time, and forgotten when the run is started anew. Its beginning and its end raise
//! the generation as a step's do, so that a report of one analysis is never taken for another's.

use super::super::data::PostmortemReport;
use super::super::facts::Facts;
use super::super::parts::{Postmortem, PostmortemEnd};
use crate::core::time::Time;

impl Facts {
    /// An analysis has begun and is not known to be over.
    pub fn is_analyzed_now(&self) -> bool {
        self.postmortem.as_ref().is_some_and(|it| it.end.is_none())
    }

    /// It begins; what an earlier one came to counts no more.
    pub(super) fn analysis_begins(&mut self, now: Time) {
        self.generation += 1;
        self.postmortem = Some(Postmortem {
            began_at: now,
            end: None,
        });
    }

    /// It is over.
    pub(super) fn analysis_ends(&mut self, report: &PostmortemReport, now: Time) {
        self.generation += 1;
        self.add_usage(report.usage, false);
        if let Some(postmortem) = &mut self.postmortem {
            postmortem.end = Some(PostmortemEnd {
                at: now,
                written: report.written,
                failure: report.failure.clone(),
            });
        }
    }
}
