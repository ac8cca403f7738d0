//! Completion by evidence: what the checks and the watchdog add to an iteration's record, and what follows from the
//! whole of it. A run is proved done when nothing is pending, the reviewer approved this tree, the checks passed on
//! exactly this tree, and the agent said so; an agent's word alone moves nothing.

use super::super::data::{ChecksReport, Evidence};
use super::super::facts::{Facts, HISTORY_KEPT};
use super::super::machine::{AfterWatchdog, Event};
use super::super::parts::{Current, Mode, Notes};
use super::super::spec::MergeStrategy;
use super::cause::Decision;
use crate::core::watchdog::{self, Checks, Iteration, Ladder, Signal, Spent, Verdict};
use crate::core::words::several;

/// How often a run is asked to confirm before a person is.
const MAX_CONFIRMS: u32 = 2;

impl Facts {
    /// Notes how the checks ended, and on which tree.
    pub(super) fn checks_reported(&mut self, report: &ChecksReport) {
        self.step_ended();
        self.troubles = 0;
        self.lost = 0;
        self.attempt = 0;
        self.current.record.tree = Some(report.tree.clone());
        self.head = Some(report.head.clone());
        self.notes.failures = report.failures.clone();
        if report.failures.is_empty() {
            self.current.checked_tree = Some(report.tree.clone());
            self.verification_failures = 0;
            self.current.record.checks = if self.terms.has_checks {
                Checks::Passed
            } else {
                Checks::None
            };
        } else {
            self.current.checked_tree = None;
            // Checks that are run again in the same iteration (after a full disk, say) are the same failure once more.
            if !matches!(self.current.record.checks, Checks::Failed { .. }) {
                self.verification_failures += 1;
            }
            self.current.record.checks = Checks::Failed {
                fingerprint: report.fingerprint.clone(),
            };
        }
    }

    /// Notes the evidence and closes the iteration's record. After a catch-up the same iteration is weighed again.
    pub(super) fn evidence_gathered(&mut self, evidence: &Evidence) {
        self.step_ended();
        self.troubles = 0;
        self.plan = evidence.plan;
        self.head = Some(evidence.head.clone());
        self.current.tampered = evidence.tampered.clone();
        if self.current.checked_tree.as_ref() != Some(&evidence.tree) {
            // Somebody moved the branch between the checks and the look at it: nothing is proved of this tree.
            self.current.checked_tree = None;
        }
        let record = &mut self.current.record;
        record.number = self.iteration;
        record.tree = Some(evidence.tree.clone());
        record.diff_id = evidence.diff_id.clone();
        record.output_similarity = evidence.output_similarity;
        record.pending = evidence.plan.pending;
        record.blocked = evidence.plan.blocked;
        record.boxes_ticked = evidence.plan.done.saturating_sub(self.current.done_before);
        if record.boxes_ticked > 0 {
            self.ladder = Ladder::default();
        }
        let record = record.clone();
        self.history.retain(|i| i.number != record.number);
        self.history.push(record);
        let excess = self.history.len().saturating_sub(HISTORY_KEPT);
        self.history.drain(..excess);
        self.current.weighed = true;
    }

    /// Whether the tree at hand is proved, but for the agent's own word.
    fn proved_but_unsaid(&self) -> bool {
        let reviewed = !self.terms.reviewer || self.approved_tree == self.current.checked_tree;
        self.plan.pending == 0 && self.current.checked_tree.is_some() && reviewed
    }

    /// Tampering that nobody has accepted, in the words that a person reads.
    pub(super) fn unaccepted_tampering(&self) -> Option<String> {
        let seen = self.current.tampered.as_ref()?;
        (self.accepted.as_ref() != Some(seen)).then(|| {
            format!("{seen}; look at the run branch, then `loopctl resume --accept`, or reset or cancel the run")
        })
    }

    /// What follows an iteration. Proof first: a run that is done completes, whatever its budgets say. Then the limits,
    /// then what only a word or a person can give, then the ladder, then the plan.
    pub(super) fn decide_after_watchdog(&self) -> Decision<AfterWatchdog> {
        if let Some(seen) = self.unaccepted_tampering() {
            return Decision::because(AfterWatchdog::Hold, "plan_tampered", seen);
        }
        let proved = self.proved_but_unsaid();
        if proved && self.current.record.claimed_complete {
            return Decision::go(match self.terms.merge_strategy {
                MergeStrategy::None => AfterWatchdog::Complete,
                MergeStrategy::Squash | MergeStrategy::Merge => AfterWatchdog::Merge,
            });
        }
        let verdict = self.verdict();
        if let Verdict::GiveUp { code } = verdict {
            let message = give_up_message(&code, self);
            return Decision::because(AfterWatchdog::GiveUp, code, message);
        }
        if proved {
            return self.confirm_or_hold();
        }
        let workable = self.plan.pending > self.plan.blocked;
        let only_blocked = !workable && self.plan.pending > 0;
        if only_blocked && !self.notes.open_work() {
            return Decision::because(
                AfterWatchdog::Hold,
                "plan_blocked",
                format!(
                    "{} marked as blocked; clear what is in the way, then `loopctl resume`",
                    several(
                        self.plan.blocked,
                        "task is left and is",
                        "tasks are left and each of them is"
                    )
                ),
            );
        }
        match verdict {
            Verdict::Hold { signals } => Decision::because(
                AfterWatchdog::Hold,
                hold_code(&signals),
                format!(
                    "the run does not get on ({}){}; look at the last iterations, then `loopctl resume`, with `--note` to tell the agent something",
                    names(&signals),
                    self.last_call()
                ),
            ),
            Verdict::Rewrite { .. } => Decision::go(AfterWatchdog::Rewrite),
            Verdict::Proceed | Verdict::Note { .. } | Verdict::GiveUp { .. } => {
                Decision::go(if workable {
                    AfterWatchdog::Iterate
                } else {
                    AfterWatchdog::Mend
                })
            }
        }
    }

    /// What is known of why the agent did not get on.
    fn last_call(&self) -> String {
        match &self.current.came_to {
            Some(said) => format!("; the agent's last call came to: {said}"),
            None => String::new(),
        }
    }

    fn confirm_or_hold(&self) -> Decision<AfterWatchdog> {
        if self.confirms < MAX_CONFIRMS {
            return Decision::go(AfterWatchdog::Confirm);
        }
        Decision::because(
            AfterWatchdog::Hold,
            "not_confirmed",
            "every task is done, but the agent was asked twice and did not end with the completion token; look at its last message, then resume or cancel the run",
        )
    }

    /// The watchdog's verdict on the history as it stands.
    fn verdict(&self) -> Verdict {
        let spent = Spent {
            tokens: self
                .usage
                .input_tokens
                .saturating_add(self.usage.output_tokens),
            cost_micro_usd: self.usage.cost_micro_usd.unwrap_or(0),
            consecutive_verification_failures: self.verification_failures,
            consecutive_review_failures: self.review_failures,
            review_rounds_of_task: self.review_rounds,
        };
        watchdog::judge(&self.history, self.ladder, &self.terms.limits, &spent)
    }

    /// Carries what the next prompt has to tell out of the iteration that is over, and chooses what the next is for.
    pub(super) fn carry_over(&mut self, event: &Event) {
        if let Event::Judged { .. } = event {
            let (signals, note) = match self.verdict() {
                Verdict::Note { signals } => (signals, true),
                Verdict::Rewrite { signals } => (signals, false),
                Verdict::Proceed | Verdict::Hold { .. } | Verdict::GiveUp { .. } => {
                    (Vec::new(), false)
                }
            };
            let answer = self.decide_after_watchdog().answer;
            if note {
                self.ladder.notes += 1;
            }
            if answer == AfterWatchdog::Confirm {
                self.confirms += 1;
            }
            self.notes = Notes {
                signals,
                conflict: Vec::new(),
                operator: None,
                ..std::mem::take(&mut self.notes)
            };
        }
        self.mode = if self.plan.pending > self.plan.blocked {
            Mode::Task
        } else if self.proved_but_unsaid() {
            Mode::Confirm
        } else {
            Mode::Mend
        };
    }

    /// Begins the next iteration with a clean record.
    pub(super) fn begin_iteration(&mut self) {
        self.iteration += 1;
        self.attempt = 0;
        self.resumes = None;
        self.last_verdict = None;
        self.current = Current {
            record: Iteration {
                number: self.iteration,
                ..Iteration::default()
            },
            done_before: self.plan.done,
            start_head: self.head.clone(),
            ..Current::default()
        };
    }
}

fn names(signals: &[Signal]) -> String {
    let words: Vec<&str> = signals.iter().map(|s| s.as_str()).collect();
    words.join(", ")
}

fn hold_code(signals: &[Signal]) -> String {
    signals.last().map_or("stuck", |s| s.as_str()).to_owned()
}

fn give_up_message(code: &str, facts: &Facts) -> String {
    let last = facts
        .notes
        .failures
        .first()
        .map(|f| format!("; last failure: `{}`: {}", f.command, f.why))
        .unwrap_or_default();
    format!(
        "a limit of the run is reached ({code}) after {} with {} of {} tasks done{last}; `loopctl retry` starts it anew on the same branch",
        several(facts.iteration, "iteration", "iterations"),
        facts.plan.done,
        facts.plan.total
    )
}
