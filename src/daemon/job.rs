//! What is performed in a lane: an effect of a run or of its handover, and how each stands to the others of its lane. In which
//! order they come is decided in `lanes`.

use crate::core::run::{Effect, RunId, StepId};
use crate::store::{EffectId, HandoverEffect, StoredEffect};

/// What is performed in a lane: the effects of a run, and those of its handover. One lane for both, so that the two are
/// never at work in one worktree.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Run(StoredEffect),
    Handover(HandoverEffect),
}

impl Job {
    pub(super) fn id(&self) -> EffectId {
        match self {
            Job::Run(effect) => effect.id,
            Job::Handover(effect) => effect.id,
        }
    }

    pub(super) fn run_id(&self) -> &RunId {
        match self {
            Job::Run(effect) => &effect.run_id,
            Job::Handover(effect) => &effect.run_id,
        }
    }

    /// The generation of the step that it begins or stops; of what is performed ahead of a step, that of the step.
    pub(super) fn step(&self) -> Option<u64> {
        match self {
            Job::Run(effect) => {
                let named = effect.step_id.as_ref().and_then(StepId::generation);
                Some(named.unwrap_or(effect.generation))
            }
            Job::Handover(_) => None,
        }
    }

    /// Whether it stops its step.
    pub(super) fn stops(&self) -> bool {
        match self {
            Job::Run(effect) => effect.effect.stops(),
            Job::Handover(_) => false,
        }
    }

    /// Whether everything else of its run goes before it, and ends it where it is in progress.
    pub(super) fn gives_way(&self) -> bool {
        match self {
            Job::Run(effect) => match effect.effect {
                Effect::WritePostmortem => true,
                Effect::NameRun
                | Effect::PrepareWorktree
                | Effect::StartAgent
                | Effect::StartReview
                | Effect::StartChecks
                | Effect::Judge
                | Effect::StartMerge
                | Effect::RewritePrompt
                | Effect::StopStep
                | Effect::CloseRun
                | Effect::RemoveWorktrees
                | Effect::CollectRun => false,
            },
            Job::Handover(_) => false,
        }
    }
}
