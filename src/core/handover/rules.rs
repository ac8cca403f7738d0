//! The hand-written half of the handover's machine: one method for each update and each choice that
//! `machines/handover.toml` names.

use super::facts::{Facts, RunEnd};
use super::machine::{Event, OnPr, Rules, Standing};
use crate::core::time::Time;

impl Rules for Facts {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn record_end(&mut self, event: &Event, _now: Time) {
        if let Event::Ended { how } = event {
            self.end = Some(*how);
        }
    }

    fn reopen(&mut self, event: &Event, _now: Time) {
        self.end = None;
        self.snag = None;
        self.pr_current = false;
        if let Event::Reopened { same_branch: false } = event {
            self.pr_url = None;
        }
    }

    fn begin(&mut self, _event: &Event, _now: Time) {
        self.generation += 1;
        self.snag = None;
    }

    fn record_merge(&mut self, event: &Event, _now: Time) {
        if let Event::MergeDone { commit, .. } = event {
            self.merge_commit = Some(commit.clone());
        }
    }

    fn record_pr(&mut self, event: &Event, _now: Time) {
        if let Event::PrDone { url, .. } = event {
            self.pr_url = Some(url.clone());
            self.pr_current = true;
        }
    }

    fn record_snag(&mut self, event: &Event, _now: Time) {
        if let Event::Failed { snag, .. } = event {
            self.snag = Some(snag.clone());
        }
    }

    fn end(&mut self, _event: &Event, now: Time) {
        self.ended_at = Some(now);
    }

    fn standing(&self, _now: Time) -> Standing {
        match (&self.merge_commit, self.end) {
            (Some(_), _) | (None, Some(RunEnd::Merged)) => Standing::Merged,
            (None, Some(RunEnd::Proved)) => Standing::Proved,
            (None, Some(RunEnd::GivenUp) | None) => Standing::GivenUp,
        }
    }

    fn on_pr(&self, _now: Time) -> OnPr {
        if self.pr_url.is_some() && self.pr_current {
            OnPr::Nothing
        } else {
            OnPr::Push
        }
    }
}
