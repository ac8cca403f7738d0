//! `POST /runs/{id}/VERB`: a person's event, sent to the machine. What it answers is the table's, word for word; this file
//! knows no state and no rule.

use axum::Json;
use axum::extract::State;

use super::refusal::refused;
use super::{settled, why};
use crate::api::error::ApiError;
use crate::api::extract::{OptionalJson, Reference};
use crate::api::state::{App, Shared};
use crate::api::view;
use crate::api::wire::{ErrorBody, NoBody, ResumeRequest, RetryRequest, RunReply};
use crate::core::machine::Kind;
use crate::core::run::{Event, MergeStrategy};
use crate::store::Answer;

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

/// Start an ended run anew on the same branch, with fresh budgets; a completed one only to merge what it made.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<RetryRequest>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn retry(
    State(app): State<Shared>,
    Reference(id): Reference,
    OptionalJson(asked): OptionalJson<RetryRequest>,
) -> Reply {
    let event = match asked.merge_strategy.map(view::strategy) {
        Some(merge_strategy @ (MergeStrategy::Squash | MergeStrategy::Merge)) => {
            Event::RetryMerge { merge_strategy }
        }
        merge_strategy @ (Some(MergeStrategy::None) | None) => Event::Retry { merge_strategy },
    };
    operate(&app, &id, event).await
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

/// Explain an ended run: a summary of what is recorded, and the report of its agent. One run at a time.
#[utoipa::path(post, path = "/runs/{id}/postmortem", tag = "operate", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    request_body(content = Option<NoBody>),
    responses((status = 200, body = RunReply), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Refused, in the words of the run's table")))]
pub(super) async fn postmortem(
    State(app): State<Shared>,
    Reference(id): Reference,
    _: OptionalJson<NoBody>,
) -> Reply {
    operate(&app, &id, Event::Analyze).await
}

async fn operate(app: &App, reference: &str, event: Event) -> Reply {
    let run = app.find(reference).await?;
    let name = event.name();
    let applied = app.state.engine.operate(run.id.clone(), event).await?;
    // The run that was answered for: others may have moved it since, and the reply would not fit what they made of it.
    let stored = applied.run;
    let handover = match stored.state.kind() {
        Kind::Ended => app.state.reader.handover(&stored.id).await?,
        Kind::Waiting | Kind::Active | Kind::Held => None,
    };
    match applied.answer {
        Answer::Moved(_) | Answer::Ignored(_) => {}
        Answer::Refused(why) => {
            return Err(refused(&stored, handover.as_ref(), name.as_str(), why));
        }
        Answer::Stale(_) => {
            let message = format!(
                "run {} was written by somebody else at the same time",
                run.id
            );
            return Err(ApiError::unavailable("stale", message).hint("ask again"));
        }
    }
    let mut runs = [view::run(&stored, handover.as_ref())?];
    settled::look(app, &mut runs).await?;
    why::add_gates(app, &mut runs).await;
    let [run] = runs;
    Ok(Json(RunReply { run }))
}
