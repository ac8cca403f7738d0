//! What follows a merge that could not simply be made: the target has moved, or it conflicts.

use super::super::facts::Facts;
use super::super::machine::{AfterCatchUp, AfterConflict};
use super::cause::Decision;

/// Catch-ups with a moved target before a person is asked.
const MAX_CATCH_UPS: u32 = 5;
/// Conflicts given back to the agent before a person is asked.
const MAX_CONFLICTS: u32 = 2;

impl Facts {
    /// The target was merged into the run branch. The reviewer's approval goes over to the new tree, which differs from
    /// the approved one by loopd's own merge only; the checks have to pass again.
    pub(super) fn caught_up(&mut self, tree: &str) {
        self.sent_back();
        self.approved_tree = Some(tree.to_owned());
    }

    /// The merge was not made because something moved. A run branch that moved by itself has no approval that goes over.
    pub(super) fn sent_back(&mut self) {
        self.step_ended();
        self.troubles = 0;
        self.catch_ups += 1;
    }

    /// The target conflicts with the run branch.
    pub(super) fn conflicted(&mut self, files: &[String]) {
        self.step_ended();
        self.troubles = 0;
        self.conflicts += 1;
        self.notes.conflict = files.to_vec();
    }

    /// What follows a catch-up.
    pub(super) fn decide_after_catch_up(&self) -> Decision<AfterCatchUp> {
        if self.catch_ups <= MAX_CATCH_UPS {
            Decision::go(AfterCatchUp::Verify)
        } else {
            Decision::because(
                AfterCatchUp::Hold,
                "target_busy",
                format!(
                    "the merge target or the run branch moved {} times while the run was being verified; resume when it is quiet",
                    self.catch_ups
                ),
            )
        }
    }

    /// What follows a conflict.
    pub(super) fn decide_after_conflict(&self) -> Decision<AfterConflict> {
        let why = if self.conflicts > MAX_CONFLICTS {
            format!("still conflicts after {MAX_CONFLICTS} tries to mend it")
        } else if self.iteration >= self.terms.limits.iterations {
            // Nothing but a mended conflict is missing: that is worth a person's look, but no iteration beyond the limit.
            "conflicts, and no iteration is left to mend it".to_owned()
        } else {
            return Decision::go(AfterConflict::Mend);
        };
        Decision::because(
            AfterConflict::Hold,
            "merge_conflict",
            format!(
                "the merge target {why}, in: {}; merge the target into the run branch by hand, then `loopctl resume`",
                self.notes.conflict.join(", ")
            ),
        )
    }
}
