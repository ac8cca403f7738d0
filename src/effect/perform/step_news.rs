//! What a step's machine and its run are told of the step's process: that it works, and how far it is confined; that it was
//! lost; that it was let go. Not here: what it came to, which each kind of step says for itself.

use std::path::Path;
use std::time::Duration;

use super::Done;
use super::agent_step;
use super::desk::Desk;
use super::session;
use crate::core::run::{Event, Left, Trouble};
use crate::core::step::{self, Confined, Confinement};
use crate::effect::keeper::KeeperRecord;
use crate::store::StepReport;

/// How long a store that could not take something is left in peace.
const RETRY: Duration = Duration::from_secs(1);

/// How far the keeper says that it confines its commands; and the log is told.
fn confinement(desk: &Desk<'_>, dir: &Path) -> Result<Option<Confinement>, Trouble> {
    let found = KeeperRecord::read(dir)?.and_then(|record| record.confinement);
    let (run, step) = (&desk.order.run.id, desk.generation());
    if let Some(Confinement {
        level,
        landlock_abi,
        lacks,
    }) = &found
    {
        match level {
            Confined::Off => {
                tracing::info!(%run, step, "the step is not confined (sandbox = \"off\")")
            }
            Confined::Full => tracing::info!(%run, step, landlock_abi, "the step is confined"),
            Confined::Partial => {
                tracing::warn!(%run, step, landlock_abi, lacks = lacks.join("; "), "the step is confined in part");
            }
            Confined::None => {
                tracing::warn!(%run, step, landlock_abi, lacks = lacks.join("; "), "the step is not confined");
            }
        }
    }
    Ok(found)
}

/// The agent of the step, as it was noted when the step began.
fn called(dir: &Path) -> Option<step::Called> {
    // What cannot be read is met, and told, by whoever reads it at the step's end.
    agent_step::read_begin(dir)
        .ok()
        .flatten()
        .map(|begin| begin.called)
}

fn existing(dir: &Path, name: &str) -> Option<String> {
    let path = dir.join(name);
    path.exists().then(|| path.display().to_string())
}

/// A step that has no process of its own begins: the step's machine is told.
pub(super) async fn begun(desk: &Desk<'_>) -> Result<(), Trouble> {
    let started = step::Event::Started {
        confinement: None,
        agent: None,
    };
    if let Some(report) = desk.step_report(started) {
        tell(desk, report).await?;
    }
    Ok(())
}

/// Tells the step's machine that its process works, or has worked, and where its files are.
pub(super) async fn tell_begun(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    let confinement = confinement(desk, dir)?;
    let agent = called(dir);
    if let Some(mut report) = desk.step_report(step::Event::Started { confinement, agent }) {
        report.prompt_path = existing(dir, "prompt.txt");
        report.output_path = existing(dir, "output").or_else(|| existing(dir, "output-1"));
        tell(desk, report).await?;
    }
    Ok(())
}

/// Tells the step's machine; a repeat after a restart is ignored by it. A store that is locked or full for a while is no
/// trouble of the step, which may be at work already: it is told as soon as the store can take it. A stop comes through
/// the store, too, so that none is kept waiting.
async fn tell(desk: &Desk<'_>, report: StepReport) -> Result<(), Trouble> {
    loop {
        match desk
            .world
            .writer
            .step_event(report.clone(), desk.now())
            .await
        {
            Ok(applied) => {
                desk.world.tell(&applied);
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(step = %report.id, %error, "failed to record that a step has begun; trying again");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the run and the step are told of a lost step.
pub(super) fn lost(desk: &Desk<'_>, left: Option<Left>) -> Done {
    Done::event(
        Event::StepLost {
            generation: desk.generation(),
            left,
        },
        "lost",
    )
    .with_step(desk.step_report(step::Event::Lost {
        message: "the keeper died without a record".to_owned(),
    }))
}

/// What is left to say of a step that was told to stop: nothing where its run asked for that, because the stop behind it
/// says when nothing of it is left; or that it is gone with its daemon. Where both were so, the run has gone on and takes
/// the latter for stale.
pub(super) async fn let_go(desk: &Desk<'_>) -> Done {
    if !desk.world.stopping.is_cancelled() {
        return Done::nothing("told to stop");
    }
    let event = Event::StepStopped {
        generation: desk.generation(),
        left: session::left(desk).await,
    };
    let canceled = step::Event::Canceled {
        exit_code: None,
        message: "stopped with the daemon; begun again by the next one".to_owned(),
    };
    Done::event(event, "stopped with the daemon").with_step(desk.step_report(canceled))
}
