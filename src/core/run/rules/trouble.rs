//! What follows when an effect could not be performed, or a step was lost with its keeper.

use super::super::data::{Trouble, TroubleKind};
use super::super::facts::Facts;
use super::super::machine::AfterTrouble;
use super::cause::{Cause, Decision};

/// Failures of an effect in a row before a person is asked.
const MAX_TROUBLES: u32 = 5;
/// Lost steps in a row before a person is asked; one that is lost every time would otherwise start for ever.
const MAX_LOST: u32 = 5;

impl Facts {
    /// The live step has ended: whoever reports on it later is stale.
    pub(super) fn step_ended(&mut self) {
        self.generation += 1;
        self.step = None;
    }

    /// Notes an effect that failed.
    pub(super) fn troubled(&mut self, trouble: &Trouble) {
        self.step_ended();
        if trouble.kind == TroubleKind::Transient {
            // A full disk and a read-only one are waited for behind a gate, however long that takes; they must not use up
            // the patience with what may pass by itself.
            self.troubles += 1;
        }
        // What failed may have been the writing of the rewritten prompt: the usual one, with the same notes, always exists.
        self.current.rewrite = None;
        self.last_message = trouble.message.clone();
        self.last_trouble = Some(trouble.clone());
    }

    /// What follows an effect that failed.
    pub(super) fn decide_after_trouble(&self) -> Decision<AfterTrouble> {
        let Some(trouble) = &self.last_trouble else {
            return Decision::because(AfterTrouble::Hold, "unknown_trouble", &*self.last_message);
        };
        let because = |answer| Decision::because(answer, &*trouble.code, &*trouble.message);
        match trouble.kind {
            TroubleKind::Transient if self.troubles <= MAX_TROUBLES => {
                Decision::go(AfterTrouble::Again)
            }
            TroubleKind::Transient | TroubleKind::NeedsPerson => because(AfterTrouble::Hold),
            TroubleKind::NoSpace | TroubleKind::ReadOnly => Decision::go(AfterTrouble::Park),
            TroubleKind::Permanent => because(AfterTrouble::GiveUp),
        }
    }

    /// Whether starting a lost step once more would only lose it again.
    pub(super) fn lost_too_often(&self) -> bool {
        self.lost > MAX_LOST
    }

    /// Why a run is held whose steps are lost again and again.
    pub(super) fn lost_cause(&self) -> Cause {
        Cause {
            code: "step_lost".to_owned(),
            message: format!(
                "the step's keeper was killed {} times in a row; look for what kills it (out of memory?), then `loopctl resume`",
                self.lost
            ),
        }
    }
}
