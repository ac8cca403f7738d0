//! What is known of worktrees that are wanted no more. Whether one may go is proved where git is; here it is only noted
//! what was wished for and what became of it.

use super::super::data::{Removal, RetiredBranch, Worktree};
use super::super::facts::Facts;

impl Facts {
    /// The worktree at this path is wanted no more.
    pub(super) fn unwant(&mut self, path: &str) {
        if !self.unwanted.iter().any(|wanted| wanted == path) {
            self.unwanted.push(path.to_owned());
        }
    }

    /// Takes over what became of worktrees. A report that comes when the run has been started anew counts as well: the
    /// directory is gone, whatever the run does now.
    pub(super) fn worktrees_left(&mut self, removals: &[Removal]) {
        for told in removals {
            self.unwanted.retain(|path| *path != told.path);
            self.removals.retain(|known| known.path != told.path);
            self.removals.push(told.clone());
            if told.removed {
                let present = self.worktree.as_ref();
                self.worktree_removed |= present.is_some_and(|it| it.path == told.path);
                let at = |it: &mut Worktree| it.path == told.path;
                self.emptied.extend(self.abandoned.extract_if(.., at));
            }
        }
    }

    /// Takes over what became of the worktree when the run was closed: gone, or why it stays. A run that has been started
    /// anew meanwhile has another use for it.
    pub(super) fn closed(&mut self, worktree_removed: bool, why_kept: Option<&String>) {
        self.worktree_removed |= worktree_removed;
        if self.ended_at.is_some() && !worktree_removed {
            self.kept_back = why_kept.cloned().into_iter().collect();
        }
    }

    /// Takes over what the clean-up took beside worktrees. Branches count whatever the run does now; what is left of it is
    /// only known of one that has not been started anew meanwhile.
    pub(super) fn remains_taken(
        &mut self,
        branches: &[RetiredBranch],
        files_removed: bool,
        kept: &[String],
    ) {
        for gone in branches {
            self.retired.retain(|known| known.branch != gone.branch);
            self.retired.push(gone.clone());
        }
        if self.ended_at.is_some() {
            self.files_removed |= files_removed;
            self.kept_back = kept.to_vec();
            self.nothing_left = kept.is_empty();
        }
    }
}
