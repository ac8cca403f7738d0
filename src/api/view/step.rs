//! Steps and files of a run.

use super::{Unreadable, uuid};
use crate::api::wire::{self, stamp};
use crate::core::step::{Confined, Confinement, State};
use crate::store::{Artifact, StoredStep};

/// The step as a client sees it.
pub(crate) fn step(stored: &StoredStep) -> Result<wire::Step, Unreadable> {
    Ok(wire::Step {
        id: stored.id.0.clone(),
        run_id: uuid(&stored.run_id)?,
        phase: phase(stored)?,
        status: match stored.state {
            State::Queued => wire::StepStatus::Queued,
            State::InProgress => wire::StepStatus::InProgress,
            State::Succeeded => wire::StepStatus::Succeeded,
            State::Failed => wire::StepStatus::Failed,
            State::Retrying => wire::StepStatus::Retrying,
            State::Canceled => wire::StepStatus::Canceled,
        },
        attempt: stored.attempt,
        iteration: stored.iteration,
        started_at: stored.facts.started_at.map(stamp),
        ended_at: stored.facts.ended_at.map(stamp),
        exit_code: stored.facts.exit_code,
        agent: stored.facts.agent.as_ref().map(|it| wire::StepAgent {
            name: it.name.clone(),
            version: it.version.clone(),
            resumed_session: it.resumes.clone(),
        }),
        prompt_path: stored.prompt_path.clone(),
        output_path: stored.output_path.clone(),
        confinement: stored.facts.confinement.clone().map(confinement),
    })
}

fn confinement(stored: Confinement) -> wire::StepConfinement {
    wire::StepConfinement {
        level: match stored.level {
            Confined::Off => wire::ConfinementLevel::Off,
            Confined::None => wire::ConfinementLevel::None,
            Confined::Partial => wire::ConfinementLevel::Partial,
            Confined::Full => wire::ConfinementLevel::Full,
        },
        landlock_abi: stored.landlock_abi,
        lacks: stored.lacks,
    }
}

/// The part of an iteration that the step is.
pub(crate) fn phase(stored: &StoredStep) -> Result<wire::Phase, Unreadable> {
    match stored.phase.as_str() {
        "implementation" => Ok(wire::Phase::Implementation),
        "review" => Ok(wire::Phase::Review),
        "verification" => Ok(wire::Phase::Verification),
        "watchdog" => Ok(wire::Phase::Watchdog),
        "merge" => Ok(wire::Phase::Merge),
        other => Err(Unreadable {
            what: format!("the phase of step {}", stored.id),
            value: other.to_owned(),
        }),
    }
}

/// The file as a client sees it.
pub(crate) fn artifact(stored: Artifact) -> wire::Artifact {
    wire::Artifact {
        kind: stored.kind,
        location: stored.location,
        path: stored.path,
        sha256: Some(stored.sha256),
    }
}
