//! What follows an agent step: an implementation or a review. The result class of an agent only says whether it makes
//! sense to look at its work; the work itself is judged by git, the plan and the checks.

use super::super::agent_result::ResultClass;
use super::super::data::{AgentReport, ReviewReport};
use super::super::facts::Facts;
use super::super::machine::{AfterAgent, AfterReview};
use super::super::spec::OnUsageLimit;
use super::cause::{Cause, Decision};
use crate::core::time::Time;
use crate::core::watchdog::Review;

/// What a result class means before anybody looks at the work.
enum Standing {
    /// Look at the work.
    Judge,
    /// The provider refuses more for now.
    Limited,
    /// The session cannot be gone on with; that says nothing about the work.
    Stranger,
    /// A repeat would end the same way.
    Fatal(Cause),
    /// Try again, as often as allowed.
    Unlucky,
}

impl Facts {
    /// Notes what an implementation left behind.
    pub(super) fn agent_reported(&mut self, report: &AgentReport) {
        self.step_ended();
        let counted = self.add_usage(report.usage, report.usage_of_session);
        self.heard(&report.result, &report.message);
        self.keep_session(&report.result, report.session.as_ref(), counted, true);
        self.plan = report.plan;
        self.head = Some(report.head.clone());
        self.current.record.commits = report.commits;
        self.current.record.claimed_complete = report.claimed_complete;
        self.current.record.task = report.task.clone();
        self.current.record.tree = Some(report.tree.clone());
        let told_more = report.message != report.result.as_str();
        self.current.came_to = told_more.then(|| report.message.clone());
        // What the tip shows counts: tampering that was taken back holds nobody.
        self.current.tampered = report.tampered.clone();
        let unlucky = matches!(self.standing(), Standing::Unlucky | Standing::Stranger);
        if !unlucky || self.current.record.commits > 0 {
            self.attempt = 0;
        }
    }

    /// Notes a verdict, or that there was none.
    pub(super) fn review_reported(&mut self, report: &ReviewReport) {
        self.step_ended();
        let counted = self.add_usage(report.usage, report.usage_of_session);
        self.heard(&report.result, &report.message);
        let over = report.verdict.is_some();
        self.keep_session(&report.result, report.session.as_ref(), counted, over);
        self.plan = report.plan;
        self.head = Some(report.head.clone());
        self.last_verdict = report.verdict.as_ref().map(|v| v.approved);
        let Some(verdict) = &report.verdict else {
            return;
        };
        self.attempt = 0;
        self.current.record.tree = Some(report.tree.clone());
        if verdict.approved {
            self.current.record.review = Review::Approved;
            self.approved_tree = Some(report.tree.clone());
            self.review_failures = 0;
            self.review_rounds = 0;
            self.review_task = None;
            self.notes.findings = None;
        } else {
            self.current.record.review = Review::ChangesRequested;
            self.approved_tree = None;
            self.review_failures += 1;
            if self.review_task == self.current.record.task {
                self.review_rounds += 1;
            } else {
                self.review_task = self.current.record.task.clone();
                self.review_rounds = 1;
            }
            self.notes.findings = Some(verdict.findings.clone());
        }
    }

    fn heard(&mut self, result: &ResultClass, message: &str) {
        self.last_result = Some(result.clone());
        self.last_message = message.to_owned();
        self.troubles = 0;
        self.lost = 0;
        if !matches!(result, ResultClass::Limited { .. }) {
            self.limits_met = 0;
        }
    }

    fn standing(&self) -> Standing {
        let fatal = |code: &str| {
            Standing::Fatal(Cause {
                code: code.to_owned(),
                message: self.last_message.clone(),
            })
        };
        if self.is_session_refused() {
            return Standing::Stranger;
        }
        match self.last_result {
            Some(ResultClass::Done | ResultClass::MaxTurns | ResultClass::Budget) => {
                Standing::Judge
            }
            Some(ResultClass::Limited { .. }) => {
                if self.terms.on_usage_limit == OnUsageLimit::Fail {
                    fatal("usage_limit")
                } else {
                    Standing::Limited
                }
            }
            Some(ResultClass::Auth) => fatal("agent_auth"),
            Some(ResultClass::Refused) => fatal("agent_refused"),
            Some(
                ResultClass::SessionGone
                | ResultClass::Crashed
                | ResultClass::TimedOut
                | ResultClass::Canceled,
            )
            | None => Standing::Unlucky,
        }
    }

    fn may_fall_back(&self) -> bool {
        self.terms.on_usage_limit == OnUsageLimit::Fallback
            && self.terms.fallback_agent.is_some()
            && !self.on_fallback
    }

    /// Whether the tree has to be reviewed before it can count: not when it is what the reviewer already approved, and
    /// not when an iteration with open tasks changed nothing.
    fn review_wanted(&self) -> bool {
        self.terms.reviewer
            && self.approved_tree != self.current.record.tree
            && (self.current.record.commits > 0 || self.plan.pending == 0)
    }

    /// What follows an implementation.
    pub(super) fn decide_after_agent(&self, _now: Time) -> Decision<AfterAgent> {
        if let Some(seen) = self.unaccepted_tampering() {
            return Decision::because(AfterAgent::Hold, "plan_tampered", seen);
        }
        let judge = || {
            Decision::go(if self.review_wanted() {
                AfterAgent::Review
            } else {
                AfterAgent::Check
            })
        };
        match self.standing() {
            Standing::Judge => judge(),
            Standing::Stranger => Decision::go(AfterAgent::Afresh),
            Standing::Limited if self.may_fall_back() => Decision::go(AfterAgent::Fallback),
            Standing::Limited => Decision::go(AfterAgent::Park),
            Standing::Fatal(cause) => Decision {
                answer: AfterAgent::GiveUp,
                cause,
            },
            Standing::Unlucky if self.current.record.commits > 0 => judge(),
            Standing::Unlucky if self.attempt < self.terms.agent_retries => {
                Decision::go(AfterAgent::Again)
            }
            Standing::Unlucky => Decision::because(
                AfterAgent::GiveUp,
                "agent_failed",
                format!(
                    "the agent failed {} times in a row, the last time: {}",
                    self.attempt + 1,
                    self.last_message
                ),
            ),
        }
    }

    /// What follows a review. Whether a rejection sends the run back is the watchdog's to say, after the checks.
    pub(super) fn decide_after_review(&self, _now: Time) -> Decision<AfterReview> {
        if self.last_verdict.is_some() {
            return Decision::go(AfterReview::Check);
        }
        match self.standing() {
            Standing::Stranger => Decision::go(AfterReview::Afresh),
            Standing::Limited if self.may_fall_back() => Decision::go(AfterReview::Fallback),
            Standing::Limited => Decision::go(AfterReview::Park),
            Standing::Fatal(cause) => Decision {
                answer: AfterReview::GiveUp,
                cause,
            },
            Standing::Judge | Standing::Unlucky if self.attempt < self.terms.agent_retries => {
                Decision::go(AfterReview::Again)
            }
            Standing::Judge | Standing::Unlucky => Decision::because(
                AfterReview::Hold,
                "review_unavailable",
                format!(
                    "no verdict after {} tries, the last time: {}; look at the review's log, then `loopctl resume`",
                    self.attempt + 1,
                    self.last_message
                ),
            ),
        }
    }
}
