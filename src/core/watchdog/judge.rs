//! The verdict: limits first, then signals, then the ladder.

use serde::{Deserialize, Serialize};

use super::{Checks, Iteration, Ladder, Limits, Signal};

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
        /// Why.
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
        /// Which one.
        code: String,
    },
}

/// Weighs the evidence.
pub fn judge(history: &[Iteration], ladder: Ladder, limits: &Limits, spent: &Spent) -> Verdict {
    let Some(last) = history.last() else {
        return Verdict::Proceed;
    };
    let failures = spent.consecutive_verification_failures;
    if limits.max_consecutive_verification_failures > 0
        && failures >= limits.max_consecutive_verification_failures
    {
        return Verdict::GiveUp {
            code: format!("max_consecutive_failures:verification:{failures}"),
        };
    }
    if last.number >= limits.iterations {
        return Verdict::GiveUp {
            code: "iterations_exhausted".to_owned(),
        };
    }
    let mut signals = Vec::new();
    if let Checks::Failed { .. } = last.checks {
        signals.push(Signal::VerificationFailed);
    }
    if last.boxes_ticked == 0 && last.commits == 0 {
        signals.push(Signal::NoProgress);
    }
    if signals.is_empty() {
        Verdict::Proceed
    } else if ladder.notes == 0 {
        Verdict::Note { signals }
    } else if ladder.rewrites < limits.max_rewrites {
        Verdict::Rewrite { signals }
    } else {
        Verdict::Hold { signals }
    }
}
