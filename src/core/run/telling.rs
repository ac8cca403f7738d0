//! What the world is told of a move, and of the skills that a call is given: every state change has at least
//! `RUN_STATE_CHANGED`. Pure: the store appends what is returned here. Not here: names and payloads (`public`).

use super::data::Worktree;
use super::facts::Facts;
use super::machine::{Effect, Event, State};
use super::public::PublicEvent;
use super::spec::{MergeStrategy, RunId, Spec, StepId};
use crate::core::machine::Moved;
use crate::core::skills::Briefing;
use crate::core::time::Time;

/// What the world is told of the skills that an agent call is given.
pub fn briefing_events(step: &StepId, briefing: &Briefing) -> Vec<PublicEvent> {
    let mut told = Vec::new();
    if briefing.is_news {
        told.push(PublicEvent::SkillsDiscovered {
            step_id: step.clone(),
            skills: briefing.discovered.clone(),
        });
    }
    for failed in &briefing.newly_failed {
        told.push(PublicEvent::SkillsLoadFailed {
            step_id: step.clone(),
            what: failed.what.clone(),
            why: failed.why.clone(),
        });
    }
    if !briefing.selected.is_empty() {
        told.push(PublicEvent::SkillsSelected {
            step_id: step.clone(),
            skills: briefing.selected.clone(),
        });
    }
    if !briefing.cut.is_empty() || !briefing.left_out.is_empty() {
        told.push(PublicEvent::SkillsTruncated {
            step_id: step.clone(),
            skills: briefing.cut.clone(),
            left_out: briefing.left_out.clone(),
        });
    }
    told
}

/// What the world is told of a move. `rev` is the run's revision after it.
pub fn public_events(
    id: &RunId,
    spec: &Spec,
    before: &Facts,
    event: &Event,
    moved: &Moved<State, Facts, Effect>,
    rev: u64,
) -> Vec<PublicEvent> {
    let mut told = Vec::new();
    what_was_reported(spec, before, event, &moved.facts, &mut told);
    if moved.from != moved.to {
        told.push(PublicEvent::RunStateChanged {
            from: moved.from,
            to: moved.to,
            event: event.name().as_str().to_owned(),
            rev,
        });
        what_was_entered(event, moved, &mut told);
    }
    for effect in &moved.effects {
        what_begins(id, moved, *effect, &mut told);
    }
    told
}

fn what_was_reported(
    spec: &Spec,
    before: &Facts,
    event: &Event,
    after: &Facts,
    told: &mut Vec<PublicEvent>,
) {
    let limited = |resets_at: &Option<Time>| PublicEvent::AgentLimited {
        provider: before.agent(&spec.agent).to_owned(),
        resets_at: *resets_at,
    };
    match event {
        Event::Named { naming, .. } => told.push(PublicEvent::RunNamed {
            name: after.name(spec).to_owned(),
            name_source: after.name_source(spec).to_owned(),
            message: naming.message.clone(),
        }),
        Event::WorktreeReady { worktree, .. } => {
            if before.worktree.as_ref() != Some(worktree) || before.worktree_removed {
                told.push(worktree_created(worktree));
            }
        }
        Event::AgentDone { report, .. } => {
            if let super::ResultClass::Limited { resets_at } = &report.result {
                told.push(limited(resets_at));
            }
        }
        Event::ReviewDone { report, .. } => {
            if let super::ResultClass::Limited { resets_at } = &report.result {
                told.push(limited(resets_at));
            }
            told.push(PublicEvent::ReviewFinished {
                verdict: match &report.verdict {
                    Some(v) if v.approved => "approved",
                    Some(_) => "changes_requested",
                    None => "unavailable",
                }
                .to_owned(),
            });
        }
        Event::ChecksDone { report, .. } => told.push(PublicEvent::VerificationFinished {
            passed: report.failures.is_empty(),
            tree: report.tree.clone(),
        }),
        Event::Merged { commit, .. } => told.push(PublicEvent::MergeFinished {
            commit: commit.clone(),
        }),
        Event::MergeConflict { files, .. } => told.push(PublicEvent::MergeConflict {
            files: files.clone(),
        }),
        Event::Resume { .. } => told.push(PublicEvent::RunResumed {}),
        Event::Closed {
            worktree_removed: true,
            ..
        } => told.extend(
            after
                .worktree
                .as_ref()
                .map(|w| PublicEvent::WorktreeRemoved {
                    path: w.path.clone(),
                }),
        ),
        Event::WorktreesRemoved { removals } | Event::Collected { removals, .. } => {
            let gone = removals.iter().filter(|it| it.removed);
            // What was gone already is no news.
            let news = gone.filter(|it| before.worktrees().any(|known| known.path == it.path));
            told.extend(news.map(|it| PublicEvent::WorktreeRemoved {
                path: it.path.clone(),
            }));
        }
        // One that came before the last step was known to be gone has started nothing.
        Event::Claim { worker } => {
            if before.step.is_none() {
                told.push(PublicEvent::RunStarted {
                    worker_id: worker.clone(),
                });
            }
        }
        Event::Analyzed { report, .. } => told.push(PublicEvent::PostmortemEnd {
            written: report.written,
            failure: report.failure.clone(),
        }),
        Event::Retry { .. } | Event::RetryMerge { .. } | Event::Reset => {
            // What nobody waits for any more is over for the world, too.
            if before.is_analyzed_now() && !after.is_analyzed_now() {
                told.push(PublicEvent::PostmortemEnd {
                    written: false,
                    failure: Some("the run was started anew".to_owned()),
                });
            }
        }
        Event::Closed {
            worktree_removed: false,
            ..
        }
        | Event::Judged { .. }
        | Event::RemoveWorktree { .. }
        | Event::Collect
        | Event::TargetMoved { .. }
        | Event::TargetHeld { .. }
        | Event::BranchMoved { .. }
        | Event::StepLost { .. }
        | Event::StepStopped { .. }
        | Event::EffectFailed { .. }
        | Event::StepGone { .. }
        | Event::RetryDue { .. }
        | Event::Pause
        | Event::Cancel
        | Event::Analyze => {}
    }
}

fn what_was_entered(
    event: &Event,
    moved: &Moved<State, Facts, Effect>,
    told: &mut Vec<PublicEvent>,
) {
    match moved.to {
        State::Queued => told.push(PublicEvent::RunQueued {
            why: match &moved.facts.wait {
                Some(wait) => wait.message.clone(),
                None => event.name().as_str().to_owned(),
            },
        }),
        State::Paused => told.push(PublicEvent::RunPaused {
            hold: moved.facts.hold.clone(),
        }),
        State::Completed => told.push(PublicEvent::RunCompleted {
            mode: completed_mode(&moved.facts).to_owned(),
        }),
        State::Failed => {
            let failure = moved.facts.failure.as_ref();
            told.push(PublicEvent::RunFailed {
                reason: failure.map(|f| f.code.clone()).unwrap_or_default(),
                message: failure.map(|f| f.message.clone()).unwrap_or_default(),
            });
        }
        State::Canceled => told.push(PublicEvent::RunCanceled {}),
        State::Running | State::Verifying | State::Watchdog | State::Merging => {}
    }
}

fn what_begins(
    id: &RunId,
    moved: &Moved<State, Facts, Effect>,
    effect: Effect,
    told: &mut Vec<PublicEvent>,
) {
    if let (Some(phase), Some(step)) = (effect.step(), &moved.facts.step) {
        told.push(PublicEvent::StepStarted {
            step_id: StepId::new(id, step.generation),
            phase: phase.to_owned(),
            attempt: moved.facts.attempt + 1,
        });
    }
    if effect == Effect::WritePostmortem {
        told.push(PublicEvent::PostmortemStart {});
    }
    if effect == Effect::StartMerge {
        told.push(PublicEvent::MergeStarted {
            target: moved
                .facts
                .worktree
                .as_ref()
                .map(|w| w.merge_target_branch.clone())
                .unwrap_or_default(),
        });
    }
}

fn worktree_created(worktree: &Worktree) -> PublicEvent {
    PublicEvent::WorktreeCreated {
        path: worktree.path.clone(),
        branch: worktree.run_branch.clone(),
    }
}

/// How a run completed: by a merge, or without one; with checks, or unverified.
fn completed_mode(facts: &Facts) -> &'static str {
    match (facts.terms.merge_strategy, facts.terms.has_checks) {
        (MergeStrategy::Squash, true) => "squash",
        (MergeStrategy::Merge, true) => "merge",
        (MergeStrategy::None, true) => "none",
        (MergeStrategy::Squash, false) => "squash, unverified",
        (MergeStrategy::Merge, false) => "merge, unverified",
        (MergeStrategy::None, false) => "none, unverified",
    }
}
