//! Whether all is done that the end of a run has asked for: derived from what is still to be performed, and stored nowhere.
//! Read after the runs themselves: an end and what it asks for are written as one.

use crate::api::error::ApiError;
use crate::api::state::App;
use crate::api::wire::Run;

/// Says of the ended ones of these runs whether something is still to be done for them.
pub(super) async fn look(app: &App, runs: &mut [Run]) -> Result<(), ApiError> {
    if runs.iter().all(|run| !run.settled) {
        return Ok(());
    }
    let unsettled = app.state.reader.unsettled().await?;
    for run in runs.iter_mut().filter(|run| run.settled) {
        let id = run.id.to_string();
        run.settled = unsettled.iter().all(|it| it.0 != id);
    }
    Ok(())
}
