//! `GET /health`, `/ready`, `/metrics`, `/openapi.json`: is a daemon here, does it take runs, what has it counted, what does it
//! speak.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::api::wire::{API_VERSION, Health, Ready, SERVICE};

/// Who answers here; open without a token.
#[utoipa::path(get, path = "/health", tag = "daemon", security(()), responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health {
        service: SERVICE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: API_VERSION,
    })
}

/// Whether runs are taken: the engine answers, the database can be read, and what runs come to can be written down.
#[utoipa::path(get, path = "/ready", tag = "daemon", responses((status = 200, body = Ready)))]
pub(super) async fn ready(State(app): State<Shared>) -> Result<Json<Ready>, ApiError> {
    if app.state.shutdown.is_cancelled() {
        return Err(crate::daemon::Gone.into());
    }
    let _schedule = app.state.engine.explain().await?;
    if let Some(unstored) = app.state.engine.unstored().await? {
        let gate = unstored.gate;
        return Err(ApiError::unavailable(gate.name(), gate.message()));
    }
    Ok(Json(Ready { ready: true }))
}

/// Counters and gauges in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "daemon",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    let counts = app.state.reader.counts().await?;
    let text = app.state.metrics.render(&counts);
    let text =
        text.map_err(|error| ApiError::internal(format!("failed to write the metrics: {error}")))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "daemon", responses((status = 200, body = Object)))]
pub(super) async fn openapi(State(app): State<Shared>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        app.document.clone(),
    )
}
