//! A run.

use uuid::Uuid;

use super::Unreadable;
use crate::api::wire::{self, stamp};
use crate::core::handover::State;
use crate::core::machine::Kind;
use crate::core::run::{Facts, MergeStrategy, Postmortem, RunId, Stage, State as RunState};
use crate::effect::spec_slug;
use crate::store::{StoredHandover, StoredRun};

/// The run as a client sees it, with what a person has done with it since it ended.
pub(crate) fn run(
    stored: &StoredRun,
    handed: Option<&StoredHandover>,
) -> Result<wire::Run, Unreadable> {
    let (spec, facts) = (&stored.spec, &stored.facts);
    let after = handed.map(|it| &it.facts);
    let kind = stored.state.kind();
    Ok(wire::Run {
        id: uuid(&stored.id)?,
        name: stored.name().to_owned(),
        name_source: name_source(stored)?,
        state: stored.state.as_str().to_owned(),
        status: status(stored.state),
        stage: match kind {
            Kind::Active | Kind::Held => Some(stage(facts.stage).to_owned()),
            Kind::Waiting | Kind::Ended => None,
        },
        workspace_root: spec.workspace_root.clone(),
        spec_path: spec.spec_path.clone(),
        plan_path: spec.plan_path.clone(),
        agent: facts.agent(&spec.agent).to_owned(),
        priority: spec.priority,
        iteration: facts.iteration,
        tasks_done: facts.plan.done,
        tasks_total: facts.plan.total,
        worktree: worktree(stored),
        hold: facts.hold.as_ref().map(|hold| wire::Hold {
            gate: hold.code.clone(),
            until: None,
            message: hold.message.clone(),
        }),
        failure: facts.failure.as_ref().map(|failure| wire::Failure {
            code: failure.code.clone(),
            message: failure.message.clone(),
        }),
        settled: kind == Kind::Ended,
        review_status: handed.and_then(review_status).map(str::to_owned),
        handover: handed.and_then(handover),
        merge_commit: facts
            .merge_commit
            .clone()
            .or_else(|| after.and_then(|it| it.merge_commit.clone())),
        pr_url: after.and_then(|it| it.pr_url.clone()),
        postmortem: facts.postmortem.as_ref().map(postmortem),
        unverified: !facts.terms.has_checks,
        usage: usage(facts),
        created_at: stamp(stored.created_at),
        queued_at: Some(stamp(facts.queued_at)),
        started_at: facts.started_at.map(stamp),
        ended_at: facts.ended_at.map(stamp),
        updated_at: stamp(stored.updated_at),
        rev: stored.rev,
    })
}

/// What a person did last that still holds.
fn review_status(handed: &StoredHandover) -> Option<&'static str> {
    match handed.state {
        State::Merging | State::Requesting | State::Scrapping | State::Scrapped => {
            Some(handed.state.as_str())
        }
        State::None | State::GivenUp | State::Proved | State::Merged => {
            let facts = &handed.facts;
            let merged = facts.merge_commit.is_some().then_some("merged");
            merged.or_else(|| facts.pr_url.is_some().then_some("pr_created"))
        }
    }
}

fn handover(handed: &StoredHandover) -> Option<wire::Handover> {
    (handed.state != State::None).then(|| wire::Handover {
        state: handed.state.as_str().to_owned(),
        message: handed.facts.snag.as_ref().map(|snag| match &snag.hint {
            Some(hint) => format!("{}; {hint}", snag.message),
            None => snag.message.clone(),
        }),
        rev: handed.rev,
    })
}

/// The id of a run, in the wire's form.
pub(crate) fn uuid(id: &RunId) -> Result<Uuid, Unreadable> {
    let unreadable = |_| Unreadable {
        what: "a run's id".to_owned(),
        value: id.0.clone(),
    };
    id.0.parse().map_err(unreadable)
}

/// The earlier system's word for a state.
pub(crate) fn status(state: RunState) -> wire::Status {
    match state {
        RunState::Queued => wire::Status::Pending,
        RunState::Running | RunState::Verifying | RunState::Watchdog | RunState::Merging => {
            wire::Status::Running
        }
        RunState::Paused => wire::Status::Paused,
        RunState::Completed => wire::Status::Completed,
        RunState::Failed => wire::Status::Failed,
        RunState::Canceled => wire::Status::Canceled,
    }
}

/// A strategy that a client named.
pub(crate) fn strategy(strategy: wire::MergeStrategy) -> MergeStrategy {
    match strategy {
        wire::MergeStrategy::None => MergeStrategy::None,
        wire::MergeStrategy::Merge => MergeStrategy::Merge,
        wire::MergeStrategy::Squash => MergeStrategy::Squash,
    }
}

fn worktree(stored: &StoredRun) -> wire::Worktree {
    let (spec, facts) = (&stored.spec, &stored.facts);
    let made = facts.worktree.as_ref();
    let target = made.map(|made| made.merge_target_branch.clone());
    let target = target.or_else(|| spec.merge_target_branch.clone());
    wire::Worktree {
        base_branch: made
            .map(|made| made.base_branch.clone())
            .or_else(|| spec.base_branch.clone()),
        run_branch: made.map(|made| made.run_branch.clone()),
        merge_target_branch: target
            .unwrap_or_else(|| format!("agent/{}", spec_slug(&spec.spec_path))),
        merge_strategy: match facts.terms.merge_strategy {
            MergeStrategy::None => wire::MergeStrategy::None,
            MergeStrategy::Merge => wire::MergeStrategy::Merge,
            MergeStrategy::Squash => wire::MergeStrategy::Squash,
        },
        worktree_path: made
            .filter(|_| !facts.worktree_removed)
            .map(|made| made.path.clone()),
        kept: facts.kept_back.clone(),
    }
}

fn postmortem(stored: &Postmortem) -> wire::Postmortem {
    let end = stored.end.as_ref();
    wire::Postmortem {
        began_at: stamp(stored.began_at),
        ended_at: end.map(|end| stamp(end.at)),
        written: end.is_some_and(|end| end.written),
        failure: end.and_then(|end| end.failure.clone()),
    }
}

fn usage(facts: &Facts) -> wire::UsageTotals {
    /// Millionths in one.
    const MICRO: f64 = 1e6;
    wire::UsageTotals {
        input_tokens: facts.usage.input_tokens,
        output_tokens: facts.usage.output_tokens,
        cost_usd: facts.usage.cost_micro_usd.map(|micro| micro as f64 / MICRO),
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Implement => "implement",
        Stage::Review => "review",
        Stage::Verify => "verify",
    }
}

fn name_source(stored: &StoredRun) -> Result<wire::NameSource, Unreadable> {
    match stored.facts.name_source(&stored.spec) {
        "spec_slug" => Ok(wire::NameSource::SpecSlug),
        "haiku" => Ok(wire::NameSource::Haiku),
        "user" | "given" => Ok(wire::NameSource::User),
        other => Err(Unreadable {
            what: format!("where the name of run {} comes from", stored.id),
            value: other.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::handover::Facts;

    #[test]
    fn what_is_merged_is_told_so_whatever_was_asked_for_beside_it() {
        let handed = |state, merged: bool, requested: bool| StoredHandover {
            run_id: RunId("run".to_owned()),
            state,
            rev: 1,
            facts: Facts {
                merge_commit: merged.then(|| "c0ffee".to_owned()),
                pr_url: requested.then(|| "https://forge.example/1".to_owned()),
                ..Facts::default()
            },
        };
        for (state, merged, requested, told) in [
            (State::Proved, false, false, None),
            (State::Proved, false, true, Some("pr_created")),
            (State::Merged, true, false, Some("merged")),
            (State::Merged, true, true, Some("merged")),
            (State::Requesting, true, true, Some("requesting")),
            (State::Scrapped, false, true, Some("scrapped")),
        ] {
            let handed = handed(state, merged, requested);
            assert_eq!(review_status(&handed), told, "{handed:?}");
        }
    }
}
