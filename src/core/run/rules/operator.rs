//! What a claim and a person's words change: the start, the release of a hold, fresh budgets, a fresh branch.

use super::super::facts::Facts;
use super::super::machine::Event;
use super::super::parts::{Current, Mode, Notes, Stage, Totals};
use crate::core::plan::PlanReading;
use crate::core::time::Time;
use crate::core::watchdog::{Iteration, Ladder};

impl Facts {
    /// The scheduler gave the run a slot: the gates that held it are over.
    pub(super) fn claimed(&mut self, event: &Event, now: Time) {
        if let Event::Claim { worker } = event {
            self.worker = Some(worker.clone());
        }
        self.started_at.get_or_insert(now);
        self.wait = None;
        // The first agent is tried first again: its limit may be over. It knows nothing of the other one's session.
        if self.on_fallback {
            self.resumes = None;
        }
        self.on_fallback = false;
    }

    /// A person lets the run go on: ladder and consecutive counters start anew.
    pub(super) fn released(&mut self, event: &Event) {
        if let Event::Resume { accept, note } = event {
            if *accept && self.current.tampered.is_some() {
                self.accepted = self.current.tampered.clone();
            }
            self.notes.operator = note.clone().or(self.notes.operator.take());
        }
        self.hold = None;
        self.attempt = 0;
        // A pause may have come before the rewritten prompt was written; and whoever resumes starts the ladder anew.
        self.current.rewrite = None;
        self.start_counters_anew();
        if self.current.weighed {
            // The iteration was over when the run was held: go on with the next one, not with what was weighed.
            self.enter_where_it_stands();
        }
    }

    /// Where a run goes on whose last iteration was weighed before it was held: proved again where only the merge was
    /// in the way, or where no iteration is left to spend; implemented further otherwise.
    fn enter_where_it_stands(&mut self) {
        let work_is_done = self.plan.pending == 0
            && self.notes.failures.is_empty()
            && self.notes.findings.is_none();
        let none_left = self.iteration >= self.terms.limits.iterations;
        if (work_is_done && self.current.record.claimed_complete) || none_left {
            self.notes.conflict.clear();
            self.stage = Stage::Verify;
        } else {
            self.carry_over(&Event::Pause);
            self.begin_iteration();
            self.stage = Stage::Implement;
        }
    }

    fn start_counters_anew(&mut self) {
        self.ladder = Ladder::default();
        self.verification_failures = 0;
        self.review_failures = 0;
        self.review_rounds = 0;
        self.confirms = 0;
        self.conflicts = 0;
        self.catch_ups = 0;
        self.troubles = 0;
        self.lost = 0;
        self.limits_met = 0;
    }

    /// Fresh budgets and a new place in the queue, on the same branch and worktree.
    pub(super) fn renewed(&mut self, event: &Event, now: Time) {
        if let Event::Retry {
            merge_strategy: Some(strategy),
        }
        | Event::RetryMerge {
            merge_strategy: strategy,
        } = event
        {
            self.terms.merge_strategy = *strategy;
        }
        self.ticket += 1;
        self.unwanted.clear();
        self.kept_back.clear();
        (self.files_removed, self.nothing_left) = (false, false);
        self.queued_at = now;
        self.ended_at = None;
        self.failure = None;
        self.hold = None;
        self.wait = None;
        self.due = None;
        self.verified_tree = None;
        self.iteration = 0;
        self.attempt = 0;
        self.stage = Stage::Implement;
        self.current = Current::default();
        self.history.clear();
        self.start_counters_anew();
        self.usage = Totals::default();
        self.last_result = None;
        self.last_trouble = None;
        self.last_verdict = None;
        self.resumes = None;
        self.postmortem = None;
        self.carry_over(&Event::Pause);
    }

    /// A completed run is to merge what it made. Its work is done and said to be, and the reviewer's approval stands; the
    /// checks have to pass again, and the merge follows from them as in any other run.
    pub(super) fn renewed_to_merge(&mut self, event: &Event, now: Time) {
        let done = std::mem::take(&mut self.current);
        self.renewed(event, now);
        self.iteration = 1;
        self.stage = Stage::Verify;
        self.current = Current {
            record: Iteration {
                number: 1,
                ..done.record
            },
            checked_tree: None,
            weighed: false,
            ..done
        };
    }

    /// Nothing of the old branch counts any more; it is kept, and its worktree is left to the clean-up.
    pub(super) fn start_from_scratch(&mut self) {
        let left = match self.worktree_removed {
            true => &mut self.emptied,
            false => &mut self.abandoned,
        };
        left.extend(self.worktree.take());
        self.worktree_removed = false;
        self.resets += 1;
        self.head = None;
        self.notes = Notes::default();
        self.approved_tree = None;
        self.review_task = None;
        self.accepted = None;
        self.merge_commit = None;
        self.mode = Mode::Task;
        self.plan = PlanReading {
            pending: self.plan.total,
            done: 0,
            ..self.plan
        };
    }
}
