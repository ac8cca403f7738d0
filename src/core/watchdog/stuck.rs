//! The iterations since a box was last ticked: what is wrong with the last one (signals), and whether going on
//! unchanged would only repeat it (stuck). Read from commits, trees, diffs, boxes and check results alone.

use super::{Checks, Iteration, Review, Signal};

/// So many iterations on the same work without a box are worth a note, even when each brought something new.
const LONG: usize = 5;
/// So many are too many.
const ENDLESS: usize = 8;
/// So many are too many when the agent's output says the same over and over.
const ENDLESS_AND_ALIKE: usize = 6;
/// From here on, in permille, two outputs are the same.
const ALIKE: u16 = 950;

/// The iterations since the last ticked box, and the one that ticked it.
pub(super) struct Recent<'a> {
    /// The last iteration before the others: where they started from.
    start: Option<&'a Iteration>,
    /// At least one; none but the last has ticked a box.
    since: &'a [Iteration],
    last: &'a Iteration,
}

impl<'a> Recent<'a> {
    /// `None` for an empty history.
    pub(super) fn of(history: &'a [Iteration]) -> Option<Self> {
        let (last, before) = history.split_last()?;
        let ticked = before.iter().rposition(|it| it.boxes_ticked > 0);
        // An iteration that ticks a box begins anew itself: nothing before it counts against it.
        let from = if last.boxes_ticked > 0 {
            before.len()
        } else {
            ticked.map_or(0, |at| at + 1)
        };
        let (start, since) = (history[..from].last(), &history[from..]);
        Some(Recent { start, since, last })
    }

    pub(super) fn last(&self) -> &'a Iteration {
        self.last
    }

    /// What is wrong with the last iteration, in the order of [`Signal`].
    pub(super) fn signals(&self) -> Vec<Signal> {
        let found = [
            (Signal::VerificationFailed, failure(self.last).is_some()),
            (Signal::NoProgress, self.is_idle(self.since.len() - 1)),
            (
                Signal::RepeatedTask,
                self.repeats_itself() || self.attempts() >= LONG,
            ),
            (Signal::MalformedComplete, is_malformed(self.last)),
        ];
        found
            .into_iter()
            .filter(|(_, is_so)| *is_so)
            .map(|(signal, _)| signal)
            .collect()
    }

    /// Whether going on unchanged would only repeat what was seen. One bad iteration alone never is.
    pub(super) fn is_stuck(&self) -> bool {
        let Some(at) = self.since.len().checked_sub(2) else {
            return false;
        };
        let alike = self.last.output_similarity.is_some_and(|it| it >= ALIKE);
        let patience = if alike { ENDLESS_AND_ALIKE } else { ENDLESS };
        (self.is_idle(at + 1) && (self.is_idle(at) || self.attempts() >= LONG))
            || self.goes_back_and_forth()
            || self.fails_as_before()
            || (is_malformed(self.last) && is_malformed(&self.since[at]))
            || self.attempts() >= patience
    }

    /// The same work again, with nothing to show for it.
    fn repeats_itself(&self) -> bool {
        let idle = self.is_idle(self.since.len() - 1);
        self.goes_back_and_forth() || (self.attempts() > 1 && (idle || self.fails_as_before()))
    }

    /// How many iterations in a row, the last one included, were for the work that the last one was for. One that ticked a
    /// box is the first of its row, one that only had to say so is of none.
    fn attempts(&self) -> usize {
        if is_confirmation(self.last) {
            return 0;
        }
        self.since
            .iter()
            .rev()
            .take_while(|it| it.task == self.last.task)
            .count()
    }

    /// Whether an iteration of `since` left nothing behind, though there was something to do.
    fn is_idle(&self, at: usize) -> bool {
        let iteration = &self.since[at];
        iteration.boxes_ticked == 0 && iteration.commits == 0 && !is_confirmation(iteration)
    }

    /// The last iteration made commits, and a tree or a change that were there before.
    fn goes_back_and_forth(&self) -> bool {
        if self.last.commits == 0 || self.last.boxes_ticked > 0 {
            return false;
        }
        let earlier = &self.since[..self.since.len() - 1];
        let same_tree = |it: &Iteration| self.last.tree.is_some() && it.tree == self.last.tree;
        let same_diff =
            |it: &Iteration| self.last.diff_id.is_some() && it.diff_id == self.last.diff_id;
        earlier.iter().chain(self.start).any(same_tree) || earlier.iter().any(same_diff)
    }

    /// The checks failed in the same way earlier in this row of failures.
    fn fails_as_before(&self) -> bool {
        let Some(now) = failure(self.last) else {
            return false;
        };
        let earlier = self.since.iter().rev().skip(1);
        earlier
            .map_while(failure)
            .any(|fingerprint| fingerprint == now)
    }
}

/// How the checks failed.
fn failure(iteration: &Iteration) -> Option<&str> {
    match &iteration.checks {
        Checks::None | Checks::Passed => None,
        Checks::Failed { fingerprint } => Some(fingerprint),
    }
}

/// Complete, it said, with open boxes.
fn is_malformed(iteration: &Iteration) -> bool {
    iteration.claimed_complete && iteration.pending > 0
}

/// Nothing was left to do but to say so: leaving nothing behind is what was asked for.
fn is_confirmation(iteration: &Iteration) -> bool {
    let rejected = match iteration.review {
        Review::NotAsked | Review::Approved => false,
        Review::ChangesRequested => true,
    };
    iteration.pending == 0 && failure(iteration).is_none() && !rejected
}
