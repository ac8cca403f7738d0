//! `POST /runs/{id}/merge`, `scrap`, `create-pr`: what a person does with an ended run. The event is sent to the machine of
//! the handover; the reply waits for what becomes of it, because a person does, and says what was in the way.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::refusal::refused;
use crate::api::error::ApiError;
use crate::api::extract::{OptionalJson, Reference};
use crate::api::state::{App, Shared};
use crate::api::view;
use crate::api::wire::{ErrorBody, NoBody, RunReply};
use crate::core::handover::{Event, Snag, SnagKind};
use crate::core::machine::Kind;
use crate::core::run::RunId;
use crate::store::{HandoverAnswer, StoredHandover};

/// How long a reply waits for the work: less than a request may take. What takes longer goes on, and is seen in the run.
const PATIENCE: Duration = Duration::from_secs(40);

type Reply = Result<Json<RunReply>, ApiError>;

/// Bring the proved work of a completed run to its target.
#[utoipa::path(post, path = "/runs/{id}/merge", tag = "handover", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the handover's table; or something is in the way, by name")))]
pub(super) async fn merge(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    hand_over(&app, &id, Event::Merge).await
}

/// Throw an ended run away: its worktree goes, its branch stays until the clean-up.
#[utoipa::path(post, path = "/runs/{id}/scrap", tag = "handover", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the handover's table; or something would be lost, by name")))]
pub(super) async fn scrap(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    hand_over(&app, &id, Event::Scrap).await
}

/// Push the run branch of an ended run, and make a pull request of it.
#[utoipa::path(post, path = "/runs/{id}/create-pr", tag = "handover", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the handover's table"), (status = 422, body = ErrorBody, description = "There is no remote, no command line of a forge, no account, or the push failed")))]
pub(super) async fn create_pr(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    hand_over(&app, &id, Event::Pr).await
}

async fn hand_over(app: &App, reference: &str, event: Event) -> Reply {
    let run = app.find(reference).await?;
    let name = event.name().as_str();
    let handed = app.state.engine.hand_over(run.id.clone(), event).await?;
    let stands = match handed.answer {
        HandoverAnswer::Moved(moved) => Some(moved.handover),
        // A repeat while the work is going on waits for the same answer.
        HandoverAnswer::Ignored(_) => app.state.reader.handover(&run.id).await?,
        HandoverAnswer::Refused(why) => {
            let (run, handover) = app.with_handover(&run.id).await?;
            return Err(refused(&run, handover.as_ref(), name, why));
        }
    };
    if stands.is_some_and(|it| it.state.kind() == Kind::Active)
        && let Some(snag) = settled(app, &run.id).await?.and_then(|it| it.facts.snag)
    {
        return Err(in_the_way(&run.id, name, snag));
    }
    let (run, handover) = app.with_handover(&run.id).await?;
    let mut runs = [view::run(&run, handover.as_ref())?];
    super::settled::look(app, &mut runs).await?;
    let [run] = runs;
    Ok(Json(RunReply { run }))
}

/// The handover when nothing is being done for it any more, or when the patience is over.
async fn settled(app: &App, run: &RunId) -> Result<Option<StoredHandover>, ApiError> {
    let mut told = app.state.engine.told();
    let deadline = Instant::now() + PATIENCE;
    loop {
        told.borrow_and_update();
        let handover = app.state.reader.handover(run).await?;
        let works = |it: &StoredHandover| it.state.kind() == Kind::Active;
        if !handover.as_ref().is_some_and(works) {
            return Ok(handover);
        }
        match timeout_at(deadline, told.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(handover),
        }
    }
}

fn in_the_way(run: &RunId, name: &str, snag: Snag) -> ApiError {
    let message = format!("{name} of run {run} is not done: {}", snag.message);
    let status = match snag.kind {
        SnagKind::InTheWay => StatusCode::CONFLICT,
        SnagKind::Failed => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let error = ApiError::new(status, &snag.code, message);
    match snag.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
