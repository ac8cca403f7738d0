//! `POST /runs/{id}/VERB`: a person's event, sent to the machine. What it answers is the table's, word for word; this file
//! knows no state and no rule.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::error::ApiError;
use crate::api::extract::{OptionalJson, Reference};
use crate::api::state::{App, Shared};
use crate::api::view;
use crate::api::wire::{ErrorBody, NoBody, ResumeRequest, RetryRequest, RunReply};
use crate::core::machine::{Cell, Source};
use crate::core::run::{Event, EventName, State as RunState, cell};
use crate::store::{Answer, StoredRun};

/// Characters of a note: it goes into a prompt.
const LONGEST_NOTE: usize = 16 << 10;

type Reply = Result<Json<RunReply>, ApiError>;

/// Stop the step and hold the run.
#[utoipa::path(post, path = "/runs/{id}/pause", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn pause(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    operate(&app, &id, Event::Pause).await
}

/// Let a held run go on.
#[utoipa::path(post, path = "/runs/{id}/resume", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<ResumeRequest>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn resume(
    State(app): State<Shared>,
    Reference(id): Reference,
    OptionalJson(asked): OptionalJson<ResumeRequest>,
) -> Reply {
    if let Some(note) = &asked.note {
        let length = note.chars().count();
        if length > LONGEST_NOTE || note.contains('\0') {
            let message = format!(
                "the body is not understood: note: {length} characters, or a NUL among them; at most {LONGEST_NOTE} are taken"
            );
            return Err(ApiError::invalid("invalid_body", message));
        }
    }
    let event = Event::Resume {
        accept: asked.accept,
        note: asked.note,
    };
    operate(&app, &id, event).await
}

/// End the run.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn cancel(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    operate(&app, &id, Event::Cancel).await
}

/// Start an ended run anew on the same branch, with fresh budgets.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<RetryRequest>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn retry(
    State(app): State<Shared>,
    Reference(id): Reference,
    OptionalJson(asked): OptionalJson<RetryRequest>,
) -> Reply {
    let merge_strategy = asked.merge_strategy.map(view::strategy);
    operate(&app, &id, Event::Retry { merge_strategy }).await
}

/// Start a run anew on a new branch from today's base; the old branch is kept.
#[utoipa::path(post, path = "/runs/{id}/reset", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn reset(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    operate(&app, &id, Event::Reset).await
}

async fn operate(app: &App, reference: &str, event: Event) -> Reply {
    let run = app.find(reference).await?;
    let name = event.name();
    let applied = app.state.engine.operate(run.id.clone(), event).await?;
    let run = match applied.answer {
        Answer::Moved(moved) => moved.run,
        Answer::Ignored(_) => app.run(&run.id).await?,
        Answer::Refused(why) => return Err(refused(&app.run(&run.id).await?, name, why)),
        Answer::Stale(_) => {
            let message = format!(
                "run {} was written by somebody else at the same time",
                run.id
            );
            return Err(ApiError::unavailable("stale", message).hint("ask again"));
        }
    };
    Ok(Json(RunReply {
        run: view::run(&run)?,
    }))
}

/// The table's own words, and what the table allows where the run stands.
fn refused(run: &StoredRun, name: EventName, why: &str) -> ApiError {
    let allowed = allowed(run.state);
    let state = run.state.as_str();
    let message = format!("{name} of run {} is refused: {why}", run.id);
    ApiError::new(StatusCode::CONFLICT, "refused", message).hint(match allowed.as_slice() {
        [] => format!("the run is {state}; nothing can be asked of it"),
        allowed => format!("the run is {state}; possible now: {}", allowed.join(", ")),
    })
}

/// What a person can ask of a run in this state: what leads it elsewhere.
fn allowed(state: RunState) -> Vec<&'static str> {
    let moves = |name: &&EventName| match cell(state, **name) {
        Cell::Moves(to) => name.source() == Source::Operator && to.iter().any(|to| *to != state),
        Cell::Refused(_) | Cell::Ignored(_) => false,
    };
    EventName::ALL
        .iter()
        .filter(moves)
        .map(|name| name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_possible_is_what_the_table_says() {
        assert_eq!(allowed(RunState::Queued), ["pause", "cancel"]);
        assert_eq!(allowed(RunState::Paused), ["resume", "cancel", "reset"]);
        assert_eq!(allowed(RunState::Failed), ["retry", "reset"]);
        assert!(allowed(RunState::Merging).is_empty());
        assert!(allowed(RunState::Completed).is_empty());
    }
}
