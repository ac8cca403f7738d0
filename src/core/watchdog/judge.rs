//! The verdict: limits first, then signals, then the ladder.

use super::stuck::Recent;
use super::{Iteration, Ladder, Limits, Review, Signal};
use serde::{Deserialize, Serialize};

/// What a run has used of its budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens, both ways.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Failed verifications in a row.
    pub consecutive_verification_failures: u32,
    /// Rejections in a row.
    pub consecutive_review_failures: u32,
    /// Rejections of the present task.
    pub review_rounds_of_task: u32,
}

/// What the watchdog says.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to say.
    Proceed,
    /// Go on, with a note in the next prompt.
    Note {
        /// Why; in the order of [`Signal`], never empty.
        signals: Vec<Signal>,
    },
    /// Go on with a rewritten prompt.
    Rewrite {
        /// Why.
        signals: Vec<Signal>,
    },
    /// A person has to look.
    Hold {
        /// Why.
        signals: Vec<Signal>,
    },
    /// A limit is reached.
    GiveUp {
        /// Which one: `max_consecutive_failures:<phase>:<n>`, `iterations_exhausted`, `max_tokens`, `max_cost_usd`.
        code: String,
    },
}

/// Weighs the evidence after an iteration. `history` is oldest first; how much of it is kept is up to the caller, the
/// last 32 iterations are plenty. `ladder` is where the run stands before this verdict. Nothing recorded: proceed.
pub fn judge(history: &[Iteration], ladder: Ladder, limits: &Limits, spent: &Spent) -> Verdict {
    let Some(recent) = Recent::of(history) else {
        return Verdict::Proceed;
    };
    if let Some(code) = limit_reached(recent.last(), limits, spent) {
        return Verdict::GiveUp { code };
    }
    let rejected = recent.last().review == Review::ChangesRequested;
    let rounds = spent.review_rounds_of_task;
    if rejected && rounds >= limits.max_review_rounds {
        return Verdict::Hold {
            signals: vec![Signal::ReviewNotConverging],
        };
    }
    let mut signals = recent.signals();
    // The last round before a person is asked: let the agent know.
    if rejected && rounds > 1 && rounds.saturating_add(1) >= limits.max_review_rounds {
        signals.push(Signal::ReviewNotConverging);
    }
    if signals.is_empty() {
        Verdict::Proceed
    } else if ladder == Ladder::default() || !recent.is_stuck() {
        Verdict::Note { signals }
    } else if ladder.rewrites < limits.max_rewrites {
        Verdict::Rewrite { signals }
    } else {
        Verdict::Hold { signals }
    }
}

/// The first limit that is reached, in the words of the run's failure.
fn limit_reached(last: &Iteration, limits: &Limits, spent: &Spent) -> Option<String> {
    let failures = spent.consecutive_verification_failures;
    if failures > 0 && failures >= limits.max_consecutive_verification_failures {
        return Some(format!("max_consecutive_failures:verification:{failures}"));
    }
    let failures = spent.consecutive_review_failures;
    let allowed = limits.max_consecutive_review_failures;
    if allowed > 0 && failures >= allowed {
        return Some(format!("max_consecutive_failures:review:{failures}"));
    }
    if last.number >= limits.iterations {
        return Some("iterations_exhausted".to_owned());
    }
    let reached =
        |limit: Option<u64>, used: u64| limit.is_some_and(|limit| limit > 0 && used >= limit);
    if reached(limits.max_tokens, spent.tokens) {
        return Some("max_tokens".to_owned());
    }
    reached(limits.max_cost_micro_usd, spent.cost_micro_usd).then(|| "max_cost_usd".to_owned())
}
