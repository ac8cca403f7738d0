//! The hand-written half of the run's machine: one method for each update and each choice that `machines/run.toml`
//! names. The bodies stand beside this file, by subject; here every name of the table has its one place, so that
//! rustc names, at one place, what a new row lacks.

mod agents;
mod cause;
mod cleaning;
mod evidence;
mod merging;
mod operator;
mod postmortem;
mod sessions;
mod trouble;
mod waits;

use super::facts::Facts;
use super::machine::{
    AfterAgent, AfterCatchUp, AfterClose, AfterConflict, AfterLost, AfterLostChecks, AfterReview,
    AfterTrouble, AfterWatchdog, Event, NextTry, OnAnalyze, OnClaim, OnReset, OnRetryMerge, Rules,
};
use super::parts::{LiveStep, Stage};
use crate::core::time::Time;

impl Rules for Facts {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn begin_step(&mut self, phase: &'static str) {
        self.generation += 1;
        self.step = Some(LiveStep {
            generation: self.generation,
            phase: phase.to_owned(),
        });
        self.due = None;
        let stage = match phase {
            "implementation" => Stage::Implement,
            "review" => Stage::Review,
            _ => Stage::Verify,
        };
        if stage != self.stage {
            self.resumes = None;
        }
        self.stage = stage;
    }

    fn stop_step(&mut self) {
        // The step itself stays until it is known to be gone: it still holds the slot.
        self.generation += 1;
        self.due = None;
    }

    fn record_claim(&mut self, event: &Event, now: Time) {
        self.claimed(event, now);
    }

    fn record_name(&mut self, event: &Event, _now: Time) {
        if let Event::Named { naming, usage, .. } = event
            && self.naming.is_none()
        {
            self.naming = Some(naming.clone());
            self.add_usage(*usage, false);
        }
    }

    fn record_worktree(&mut self, event: &Event, _now: Time) {
        if let Event::WorktreeReady { worktree, .. } = event {
            self.removals.retain(|it| it.path != worktree.path);
            self.retired.retain(|it| it.branch != worktree.run_branch);
            self.worktree = Some(worktree.clone());
            self.worktree_removed = false;
        }
    }

    fn record_agent(&mut self, event: &Event, _now: Time) {
        if let Event::AgentDone { report, .. } = event {
            self.agent_reported(report);
        }
    }

    fn record_review(&mut self, event: &Event, _now: Time) {
        if let Event::ReviewDone { report, .. } = event {
            self.review_reported(report);
        }
    }

    fn record_checks(&mut self, event: &Event, _now: Time) {
        if let Event::ChecksDone { report, .. } = event {
            self.checks_reported(report);
        }
    }

    fn record_evidence(&mut self, event: &Event, _now: Time) {
        if let Event::Judged { evidence, .. } = event {
            self.evidence_gathered(evidence);
        }
    }

    fn record_catch_up(&mut self, event: &Event, _now: Time) {
        if let Event::TargetMoved { tree, .. } = event {
            self.caught_up(tree);
        } else {
            self.sent_back();
        }
    }

    fn record_conflict(&mut self, event: &Event, _now: Time) {
        if let Event::MergeConflict { files, .. } = event {
            self.conflicted(files);
        }
    }

    fn record_target_held(&mut self, event: &Event, _now: Time) {
        if let Event::TargetHeld { message, .. } = event {
            self.step_ended();
            self.last_message = message.clone();
        }
    }

    fn record_lost(&mut self, event: &Event, _now: Time) {
        if let Event::StepLost { left, .. } = event {
            self.step_ended();
            self.lost += 1;
            self.left_behind(left.as_ref());
        }
    }

    fn record_stopped(&mut self, event: &Event, _now: Time) {
        if let Event::StepStopped { left, .. } = event {
            self.step_ended();
            self.left_behind(left.as_ref());
        }
    }

    fn record_trouble(&mut self, event: &Event, _now: Time) {
        if let Event::EffectFailed { trouble, .. } = event {
            self.troubled(trouble);
        }
    }

    fn record_retry_due(&mut self, _event: &Event, _now: Time) {
        self.due = None;
    }

    fn record_closed(&mut self, event: &Event, _now: Time) {
        if let Event::Closed {
            worktree_removed,
            note,
        } = event
        {
            self.closed(*worktree_removed, note.as_ref());
        }
    }

    fn wish_removal(&mut self, event: &Event, _now: Time) {
        if let Event::RemoveWorktree { path } = event {
            self.unwant(path);
        }
    }

    fn record_removals(&mut self, event: &Event, _now: Time) {
        if let Event::WorktreesRemoved { removals } = event {
            self.worktrees_left(removals);
        }
    }

    fn record_collected(&mut self, event: &Event, _now: Time) {
        if let Event::Collected {
            removals,
            branches,
            files_removed,
            kept,
        } = event
        {
            self.worktrees_left(removals);
            self.remains_taken(branches, *files_removed, kept);
        }
    }

    fn begin_analysis(&mut self, _event: &Event, now: Time) {
        self.analysis_begins(now);
    }

    fn record_analysis(&mut self, event: &Event, now: Time) {
        if let Event::Analyzed { report, .. } = event {
            self.analysis_ends(report, now);
        }
    }

    fn forget_step(&mut self, event: &Event, _now: Time) {
        if let Event::StepGone { step: gone, left } = event
            && self.step.as_ref().is_some_and(|s| s.generation == *gone)
        {
            self.step = None;
            self.left_behind(left.as_ref());
        }
    }

    fn enter_implement(&mut self, _event: &Event, _now: Time) {
        if self.iteration == 0 {
            self.begin_iteration();
        }
    }

    fn next_iteration(&mut self, event: &Event, _now: Time) {
        self.carry_over(event);
        self.begin_iteration();
    }

    fn count_rewrite(&mut self, _event: &Event, _now: Time) {
        self.ladder.rewrites += 1;
        self.rewrites += 1;
        self.current.rewrite = Some(self.rewrites);
    }

    fn back_off(&mut self, event: &Event, now: Time) {
        self.set_back_off(event, now);
    }

    fn park(&mut self, event: &Event, now: Time) {
        self.set_wait(event, now);
    }

    fn use_fallback(&mut self, _event: &Event, _now: Time) {
        self.on_fallback = true;
        self.resumes = None;
    }

    fn forget_session(&mut self, _event: &Event, _now: Time) {
        self.resumes = None;
    }

    fn prove(&mut self, _event: &Event, _now: Time) {
        self.verified_tree = self.current.checked_tree.clone();
    }

    fn unprove(&mut self, _event: &Event, _now: Time) {
        self.verified_tree = None;
        self.current.checked_tree = None;
    }

    fn hold(&mut self, event: &Event, now: Time) {
        self.hold = Some(self.cause(event, now).into());
        if !matches!(event, Event::Pause) {
            // What needs a person's look is not gone on with as if nothing had been.
            self.resumes = None;
        }
    }

    fn release_hold(&mut self, event: &Event, _now: Time) {
        self.released(event);
    }

    fn fail(&mut self, event: &Event, now: Time) {
        self.failure = Some(self.cause(event, now).into());
    }

    fn record_merge(&mut self, event: &Event, _now: Time) {
        if let Event::Merged { commit, .. } = event {
            self.step_ended();
            self.merge_commit = Some(commit.clone());
        }
    }

    fn end(&mut self, _event: &Event, now: Time) {
        self.ended_at = Some(now);
        self.hold = None;
        self.wait = None;
        self.due = None;
    }

    fn renew_budgets(&mut self, event: &Event, now: Time) {
        self.renewed(event, now);
    }

    fn renew_to_merge(&mut self, event: &Event, now: Time) {
        self.renewed_to_merge(event, now);
    }

    fn renew_all(&mut self, event: &Event, now: Time) {
        self.renewed(event, now);
        self.start_from_scratch();
    }

    fn on_claim(&self, _now: Time) -> OnClaim {
        match (&self.step, self.stage) {
            (Some(_), _) => OnClaim::Wait,
            (None, Stage::Implement) if self.awaits_name() => OnClaim::Name,
            (None, Stage::Implement) => OnClaim::Implement,
            (None, Stage::Review) => OnClaim::Review,
            (None, Stage::Verify) => OnClaim::Verify,
        }
    }

    fn on_analyze(&self, _now: Time) -> OnAnalyze {
        if self.is_analyzed_now() {
            OnAnalyze::Already
        } else {
            OnAnalyze::Begin
        }
    }

    fn after_close(&self, _now: Time) -> AfterClose {
        match (self.terms.postmortem, &self.postmortem) {
            (true, None) => AfterClose::Analyze,
            (true, Some(_)) | (false, _) => AfterClose::Rest,
        }
    }

    fn on_reset(&self, _now: Time) -> OnReset {
        match &self.worktree {
            Some(_) => OnReset::Anew,
            None => OnReset::Already,
        }
    }

    fn after_agent(&self, now: Time) -> AfterAgent {
        self.decide_after_agent(now).answer
    }

    fn after_review(&self, now: Time) -> AfterReview {
        self.decide_after_review(now).answer
    }

    fn next_try(&self, _now: Time) -> NextTry {
        match self.stage {
            Stage::Implement => NextTry::Implement,
            Stage::Review | Stage::Verify => NextTry::Review,
        }
    }

    fn after_lost(&self, _now: Time) -> AfterLost {
        match (self.lost_too_often(), self.stage) {
            (true, _) => AfterLost::Hold,
            (false, Stage::Implement) => AfterLost::Implement,
            (false, Stage::Review | Stage::Verify) => AfterLost::Review,
        }
    }

    fn after_lost_checks(&self, _now: Time) -> AfterLostChecks {
        if self.lost_too_often() {
            AfterLostChecks::Hold
        } else {
            AfterLostChecks::Again
        }
    }

    fn after_trouble(&self, _now: Time) -> AfterTrouble {
        self.decide_after_trouble().answer
    }

    fn after_watchdog(&self, _now: Time) -> AfterWatchdog {
        self.decide_after_watchdog().answer
    }

    fn after_catch_up(&self, _now: Time) -> AfterCatchUp {
        self.decide_after_catch_up().answer
    }

    fn after_conflict(&self, _now: Time) -> AfterConflict {
        self.decide_after_conflict().answer
    }

    fn on_retry_merge(&self, _now: Time) -> OnRetryMerge {
        if self.merge_commit.is_some() {
            OnRetryMerge::Nothing
        } else {
            OnRetryMerge::Verify
        }
    }

    fn due(&self) -> Option<Time> {
        self.due
    }
}
