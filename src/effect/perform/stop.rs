//! Ends a step: makes sure that nothing of it is alive, however it was started and whoever watches it, and only then says
//! that it is gone. Until this succeeds the step holds its run's slot.

use std::path::Path;

use super::desk::Desk;
use super::{Done, name, session, step_rest};
use crate::core::run::{Event, StepId, Trouble};
use crate::effect::keeper::{self, Found};

/// Ends the step that the order names.
pub(super) async fn stop(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let Some(generation) = desk
        .order
        .effect
        .step_id
        .as_ref()
        .and_then(StepId::generation)
    else {
        return Ok(Done::nothing("no step was alive"));
    };
    end(desk).await?;
    let gone = Event::StepGone {
        step: generation,
        left: session::left(desk).await,
    };
    let canceled = crate::core::step::Event::Canceled {
        exit_code: None,
        message: "stopped".to_owned(),
    };
    Ok(Done::event(gone, "gone").with_step(desk.step_report(canceled)))
}

/// Makes sure that nothing of the order's step is alive.
pub(super) async fn end(desk: &Desk<'_>) -> Result<(), Trouble> {
    let ahead = name::dir(desk);
    if ahead.exists() {
        end_in(desk, &ahead).await?;
    }
    end_in(desk, &desk.step_dir()).await
}

async fn end_in(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    if let Found::Alive(handle) = keeper::find(dir)? {
        // However the keeper ended, what may be left is looked for below.
        let _ = handle.stop().await?;
    }
    // Also where the keeper has ended in good order: what escaped it carries the marker.
    step_rest::end_rest(desk, dir).await
}
