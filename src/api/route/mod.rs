//! The routes: each registers its handler and its description at once. A handler parses, asks the engine or the reader,
//! and answers; it decides nothing about runs. One file for each verb, named as its path.

mod create;
mod diff;
mod events;
mod gc;
mod handover;
mod health;
mod inspect;
mod list;
mod operate;
mod output;
mod refusal;
mod settled;
mod why;
mod worktrees;

use std::time::Duration;

use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document;
use super::error::ApiError;
use super::guard::{self, Admission, Pace};
use super::state::Shared;

pub use create::request;

/// Requests that are worked on at a time, streams apart.
const MAX_REQUESTS: usize = 64;
/// Runs that may be asked for at once, after a pause.
const RUNS_AT_ONCE: u32 = 600;
/// And then in each second: more than a machine can prepare.
const RUNS_PER_SECOND: u32 = 20;
/// How long one may take: less than `loopctl` waits.
const REQUEST_TIME: Duration = Duration::from_secs(50);

/// All routes with their descriptions.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    let probe = OpenApiRouter::with_openapi(document::frame()).routes(routes!(health::health));
    let admission = Admission::new(MAX_REQUESTS, REQUEST_TIME);
    let runs = OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .route_layer(from_fn_with_state(
            Pace::new(RUNS_AT_ONCE, RUNS_PER_SECOND),
            guard::pace,
        ));
    let short = OpenApiRouter::new()
        .merge(runs)
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(health::openapi))
        .routes(routes!(inspect::inspect))
        .routes(routes!(inspect::steps))
        .routes(routes!(inspect::artifacts))
        .routes(routes!(diff::diff))
        .routes(routes!(why::why))
        .routes(routes!(why::queue))
        .routes(routes!(operate::pause))
        .routes(routes!(operate::resume))
        .routes(routes!(operate::cancel))
        .routes(routes!(operate::retry))
        .routes(routes!(operate::reset))
        .routes(routes!(operate::postmortem))
        .routes(routes!(worktrees::worktrees, worktrees::remove))
        .routes(routes!(handover::merge))
        .routes(routes!(handover::scrap))
        .routes(routes!(handover::create_pr))
        .routes(routes!(gc::gc))
        .route_layer(from_fn_with_state(admission, guard::admit));
    let streams = OpenApiRouter::new()
        .routes(routes!(events::events))
        .routes(routes!(events::of_run))
        .routes(routes!(output::output));
    probe.merge(short).merge(streams)
}

/// What is asked for does not exist.
pub(super) async fn unknown(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_such_path",
        format!("there is nothing at {path}"),
    )
    .hint("GET /openapi.json describes all paths")
}

/// It exists, and cannot be asked for in this way.
pub(super) async fn not_this_way(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("{path} does not take {method}");
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
    .hint("the Allow header names the methods that it takes")
}
