//! Performing: an effect of the machine, with the stored run it belongs to, becomes an event of the machine. One file for
//! each effect, named by it. Nothing here decides what follows; a repeat of any effect is harmless, because after a crash
//! every effect that was not reported is performed again.

mod agent_job;
mod agent_step;
mod beginning;
mod check_failed;
mod checks;
mod close;
mod collect;
mod desk;
pub(super) mod environment;
mod explain;
mod handover;
mod hearing;
mod implement;
mod judge;
mod merge;
mod name;
mod neighbours;
mod note;
mod over;
mod postmortem;
mod products;
mod prompt_facts;
mod prompting;
mod remains;
mod review;
mod rewrite;
mod sandbox;
mod scratch;
mod session;
mod skill_files;
mod skills;
mod slug;
mod snapshot;
mod step;
mod step_news;
mod step_rest;
mod stop;
mod taking;
mod tampering;
mod template;
mod trouble;
mod unwanted;
mod version;
mod worktree;

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::git::Git;
use crate::core::run::{Effect, Event, PublicEvent, Trouble, TroubleKind};
use crate::core::time::Time;
use crate::crash::Crash;
use crate::store::{Artifact, Reader, StepApplied, StepReport, StoredEffect, StoredRun, Writer};
pub use beginning::{Beginning, first_prompt};
use desk::Desk;
pub use desk::read_record;
pub use handover::{HandoverDone, HandoverOrder, hand_over};
pub use over::{Over, UntilOver, until_over};
pub use remains::{Remain, Remains, remains};
pub use slug::{slug, spec_slug};
pub use snapshot::snapshot_path;
pub use template::try_templates;
pub use version::AgentVersions;
pub use worktree::{collide, try_place};

/// Everything that performers need of the daemon.
pub struct World {
    /// The data directory, absolute.
    pub data_dir: PathBuf,
    /// A binary that answers to the hidden subcommands.
    pub self_exe: PathBuf,
    /// Git, as found and checked at the start.
    pub git: Git,
    /// The store's writer, for what moves no run: started steps, merge intents, artifacts.
    pub writer: Writer,
    /// The store's reader.
    pub reader: Reader,
    /// What of the daemon's own environment may reach agents and checks.
    pub environment: Vec<(OsString, OsString)>,
    /// What agents answered when they were asked for their version.
    pub versions: AgentVersions,
    /// The wall clock.
    pub now: fn() -> Time,
    /// Turns of those who analyze: how many ended runs are explained at a time.
    pub postmortems: Semaphore,
    /// Cancelled when the daemon ends and its steps with it; performers let go then as if their step was told to stop.
    pub stopping: CancellationToken,
    /// Whether the daemon is over, see [`World::goes_on`].
    pub until_over: UntilOver,
    /// The number of the newest public event: whoever follows the events waits for it to change.
    pub told: watch::Sender<u64>,
    /// Where to die, in a test of deaths.
    pub crash: Crash,
}

impl World {
    /// Comes back while the daemon goes on. A runtime that goes down makes tasks and calls fail in any order: what fails
    /// then is trouble of nobody, and the step that it was about works on for the next daemon. Whoever would act on a
    /// failure waits here first, and is taken down with the rest.
    pub(crate) async fn goes_on(&self) {
        self.until_over.goes_on().await;
    }

    /// Wakes whoever follows the events, after a step has told some.
    pub(in crate::effect) fn tell(&self, applied: &StepApplied) {
        let newest = match applied {
            StepApplied::Moved(_, told) => told.last().map(|event| event.seq),
            StepApplied::Ignored(_) | StepApplied::Refused(_) => None,
        };
        if let Some(seq) = newest {
            self.told.send_modify(|last| *last = seq.max(*last));
        }
    }
}

/// An effect and the run it is for, as stored when it is performed.
#[derive(Clone, Debug)]
pub struct Order {
    /// The row of the outbox.
    pub effect: StoredEffect,
    /// The run.
    pub run: StoredRun,
}

/// What performing an effect came to.
#[must_use]
#[derive(Clone, Debug)]
pub struct Done {
    /// What the run is told; `None` when nothing (a start that was told to let go).
    pub event: Option<Event>,
    /// What its step is told, beside an event.
    pub step: Option<StepReport>,
    /// Files to register.
    pub artifacts: Vec<Artifact>,
    /// What the world is told, where there is no event: with the report, so that a repeat tells nothing twice.
    pub told: Vec<PublicEvent>,
    /// How it went, for whoever looks into the database.
    pub outcome: String,
    /// It could not be performed and must not be given up, or it gave way: the effect stays pending and is performed
    /// again.
    pub again: bool,
}

impl Done {
    /// An event, and nothing beside it.
    pub fn event(event: Event, outcome: impl Into<String>) -> Self {
        Done {
            event: Some(event),
            step: None,
            artifacts: Vec::new(),
            told: Vec::new(),
            outcome: outcome.into(),
            again: false,
        }
    }

    /// No event.
    pub fn nothing(outcome: impl Into<String>) -> Self {
        Done {
            event: None,
            step: None,
            artifacts: Vec::new(),
            told: Vec::new(),
            outcome: outcome.into(),
            again: false,
        }
    }

    /// Not performed; to be performed again.
    pub fn again(outcome: impl Into<String>) -> Self {
        Done {
            again: true,
            ..Done::nothing(outcome)
        }
    }

    /// Together with what the step is told.
    pub fn with_step(mut self, step: Option<StepReport>) -> Self {
        self.step = step;
        self
    }

    /// Together with files to register.
    pub fn with_artifacts(mut self, artifacts: Vec<Artifact>) -> Self {
        self.artifacts = artifacts;
        self
    }
}

/// Performs one effect. `stop` is cancelled when the step that it began has to end; the answer is then `Done::nothing`,
/// and the `stop_step` effect behind it says when the step is gone.
pub async fn perform(world: &World, order: &Order, stop: &CancellationToken) -> Done {
    let desk = match Desk::open(world, order) {
        Ok(desk) => desk,
        Err(trouble) => return failed(order, trouble),
    };
    let performed = match order.effect.effect {
        Effect::NameRun => name::name(&desk, stop).await,
        Effect::PrepareWorktree => worktree::prepare(&desk).await,
        Effect::StartAgent => implement::implement(&desk, stop).await,
        Effect::StartReview => review::review(&desk, stop).await,
        Effect::StartChecks => checks::checks(&desk, stop).await,
        Effect::Judge => judge::judge(&desk).await,
        Effect::StartMerge => merge::merge(&desk).await,
        Effect::RewritePrompt => rewrite::rewrite(&desk).await,
        Effect::StopStep => stop::stop(&desk).await,
        Effect::CloseRun => close::close(&desk).await,
        Effect::WritePostmortem => postmortem::postmortem(&desk, stop).await,
        Effect::RemoveWorktrees => unwanted::remove(&desk).await,
        Effect::CollectRun => collect::collect(&desk).await,
    };
    match performed {
        Ok(done) => done,
        Err(trouble) => give_up(world, order, trouble).await,
    }
}

/// What becomes of an effect that met trouble. Whatever its step has begun is ended first, because the machine takes the
/// report for the end of the step; where that cannot be done, a person has to, and is told so. Trouble that is only the
/// end of this daemon ends no step.
pub async fn give_up(world: &World, order: &Order, trouble: Trouble) -> Done {
    world.goes_on().await;
    if trouble.code == trouble::DAEMON_ENDING {
        return Done::again("the daemon is ending");
    }
    let effect = order.effect.effect;
    if (effect.step().is_some() || effect == Effect::NameRun)
        && let Ok(desk) = Desk::open(world, order)
        && let Err(worse) = stop::end(&desk).await
    {
        tracing::error!(run = %order.run.id, trouble = trouble.message, worse = worse.message, "failed to end a step that met trouble");
        let told = Trouble {
            kind: TroubleKind::NeedsPerson,
            ..worse
        };
        return failed(order, told);
    }
    failed(order, trouble)
}

/// What becomes of an effect that met trouble: an event for the machine, except where giving up would lose something.
fn failed(order: &Order, trouble: Trouble) -> Done {
    tracing::warn!(run = %order.run.id, effect = %order.effect.effect, code = trouble.code, message = trouble.message, "an effect failed");
    let outcome = format!("{}: {}", trouble.code, trouble.message);
    match order.effect.effect {
        // A step that is not known to be gone holds its slot until it is.
        Effect::StopStep => Done::again(outcome),
        Effect::CloseRun => Done::event(
            Event::Closed {
                worktree_removed: false,
                note: Some(outcome.clone()),
            },
            outcome,
        ),
        // Whoever asked is waiting for an answer.
        Effect::RemoveWorktrees => unwanted::none_of(&order.run.facts.unwanted, &outcome),
        Effect::CollectRun => collect::none(&outcome),
        // No run waits for a name, and none fails for want of one.
        Effect::NameRun => name::none(order, &trouble.message),
        Effect::WritePostmortem => postmortem::none(order, trouble.message),
        Effect::PrepareWorktree
        | Effect::StartAgent
        | Effect::StartReview
        | Effect::StartChecks
        | Effect::Judge
        | Effect::StartMerge
        | Effect::RewritePrompt => {
            let step = order.effect.step_id.clone().map(|id| StepReport {
                id,
                event: crate::core::step::Event::Failed {
                    exit_code: None,
                    message: outcome.clone(),
                },
                prompt_path: None,
                output_path: None,
            });
            Done::event(
                Event::EffectFailed {
                    generation: order.effect.generation,
                    trouble,
                },
                outcome,
            )
            .with_step(step)
        }
    }
}
