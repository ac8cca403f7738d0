//! Which session of its agent a step goes on with, and what of a session is counted already. A further try of the same
//! step goes on with the session of the try before it, whether that crashed, met a limit, was paused, or was lost; every
//! other beginning is a fresh one that is told everything: a new iteration, a rewritten prompt, another agent, the review
//! after the implementation, and whatever a person had to look at. How an agent is resumed is not known here.

use super::super::agent_result::{ResultClass, Usage};
use super::super::data::Left;
use super::super::facts::Facts;
use super::super::parts::{Session, Totals};

impl Facts {
    /// Notes what a call used, and the session that a further try of it goes on with. `over`: the step is over with this
    /// call, as far as it says itself; a review that gave no verdict is not.
    ///
    /// A try that went on with a session and failed by itself is followed by a fresh one: what is wrong may be what the
    /// session remembers. A limit is no failure of the session.
    pub(super) fn keep_session(
        &mut self,
        result: &ResultClass,
        said: Option<&String>,
        counted: Totals,
        over: bool,
    ) {
        let resumed = self.resumes.take();
        let first = resumed.is_none();
        self.resumes = match result {
            ResultClass::Limited { .. } => session(said, counted).or(resumed),
            ResultClass::Crashed | ResultClass::TimedOut | ResultClass::Canceled => {
                session(said, counted).filter(|_| first)
            }
            ResultClass::Done | ResultClass::MaxTurns | ResultClass::Budget => {
                session(said, counted).filter(|_| first && !over)
            }
            // Kept for the answer, which reads it and then forgets it: a refusal of the session is none of the work.
            ResultClass::SessionGone | ResultClass::Refused => resumed,
            ResultClass::Auth => None,
        };
    }

    /// Whether the try that just ended could not go on with its session, so that a fresh one has to follow. That happens
    /// once for a session, because the answer forgets it.
    pub(super) fn is_session_refused(&self) -> bool {
        let refused = matches!(
            self.last_result,
            Some(ResultClass::SessionGone | ResultClass::Refused)
        );
        refused && self.resumes.is_some()
    }

    /// Notes what a step that was stopped or lost had said before it was gone. A run that has been started anew since
    /// (no iteration has begun yet) wants nothing of it.
    pub(super) fn left_behind(&mut self, left: Option<&Left>) {
        let Some(left) = left.filter(|_| self.iteration > 0) else {
            return;
        };
        let counted = self.add_usage(left.usage, left.usage_of_session);
        let resumed = self.resumes.take();
        self.resumes = session(left.session.as_ref(), counted).or(resumed);
    }

    /// Counts what a call used; of an agent that counts from the start of its session, only what is new. Gives what is
    /// counted of the session now.
    pub(super) fn add_usage(&mut self, used: Usage, of_session: bool) -> Totals {
        let known = self.resumes.as_ref().map(|session| session.counted);
        let known = known.unwrap_or_default();
        let used = totals(used);
        let (new, counted) = if of_session {
            (less(used, known), used)
        } else {
            (used, known)
        };
        let all = &mut self.usage;
        all.input_tokens = all.input_tokens.saturating_add(new.input_tokens);
        all.output_tokens = all.output_tokens.saturating_add(new.output_tokens);
        if let Some(micro) = new.cost_micro_usd {
            all.cost_micro_usd = Some(all.cost_micro_usd.unwrap_or(0).saturating_add(micro));
        }
        counted
    }
}

fn session(said: Option<&String>, counted: Totals) -> Option<Session> {
    said.map(|id| Session {
        id: id.clone(),
        counted,
    })
}

fn totals(used: Usage) -> Totals {
    Totals {
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
        // A float is kept out of the facts, so that a replay of the journal compares exactly.
        cost_micro_usd: used.cost_usd.map(|usd| (usd.max(0.0) * 1e6).round() as u64),
    }
}

fn less(all: Totals, known: Totals) -> Totals {
    Totals {
        input_tokens: all.input_tokens.saturating_sub(known.input_tokens),
        output_tokens: all.output_tokens.saturating_sub(known.output_tokens),
        cost_micro_usd: all
            .cost_micro_usd
            .map(|micro| micro.saturating_sub(known.cost_micro_usd.unwrap_or(0))),
    }
}
