//! `POST /runs`. Here the shape of the request is checked, and its fields are put where the creator looks for them; all
//! that needs the repository, the configuration or the store is the creator's.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{settled, why};
use crate::api::error::ApiError;
use crate::api::extract;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{CreateRun, CreatedRun, ErrorBody, MergeStrategy, NameSource};
use crate::daemon::Request;
use crate::store::Idempotency;

/// The header that makes a repeated request recognisable.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Characters of such a key.
const LONGEST_KEY: usize = 255;
/// Characters of a name.
const LONGEST_NAME: usize = 200;
/// Bytes of a path or a reference: what the system takes as a path.
const LONGEST_TEXT: usize = 4096;

/// Check everything, then queue a run.
#[utoipa::path(post, path = "/runs", tag = "runs", request_body = CreateRun,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key and body makes no second run")),
    responses((status = 201, body = CreatedRun), (status = 200, body = CreatedRun, description = "An earlier request with this key made it"),
        (status = 409, body = ErrorBody, description = "The key was used for another request"),
        (status = 422, body = ErrorBody, description = "A field is unknown or wrong; nothing was created")))]
pub(super) async fn create(
    State(app): State<Shared>,
    headers: HeaderMap,
    extract::Json(body): extract::Json<CreateRun>,
) -> Result<Response, ApiError> {
    let idempotency = idempotency(&headers, &body)?;
    let request = Request {
        idempotency,
        ..request(body)?
    };
    let created = app.state.creator.create(request, (app.state.now)()).await?;
    let status = if created.existed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut runs = [view::run(&created.run, None)?];
    settled::look(&app, &mut runs).await?;
    why::add_gates(&app, &mut runs).await;
    let [run] = runs;
    let reply = CreatedRun {
        run,
        plan: view::summary(&created.plan),
        warnings: created.warnings,
    };
    let mut response = (status, Json(reply)).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/runs/{}", created.run.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The key with a digest of what was understood, so that the spelling of the JSON does not matter.
fn idempotency(headers: &HeaderMap, body: &CreateRun) -> Result<Option<Idempotency>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if !(1..=LONGEST_KEY).contains(&key.len()) {
        let message =
            format!("the Idempotency-Key is not 1 to {LONGEST_KEY} visible ASCII characters");
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_header",
            message,
        ));
    }
    let text = serde_json::to_vec(body)
        .map_err(|error| ApiError::internal(format!("failed to digest a request: {error}")))?;
    let digest = Sha256::digest(&text);
    Ok(Some(Idempotency {
        key: key.to_owned(),
        request_hash: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }))
}

/// What the body asks of the creator.
///
/// # Errors
/// A field that is wrong in itself.
pub fn request(body: CreateRun) -> Result<Request, ApiError> {
    let texts = [
        ("spec_path", Some(&body.spec_path)),
        ("workspace_root", Some(&body.workspace_root)),
        ("plan_path", body.plan_path.as_ref()),
        ("after", body.after.as_ref()),
    ];
    for (field, text) in texts {
        let wrong = |what| Err(wrong(field, what));
        match text {
            Some(text) if text.is_empty() => return wrong("it is empty"),
            Some(text) if text.len() > LONGEST_TEXT => {
                return wrong("it is longer than 4096 bytes");
            }
            Some(text) if text.contains('\0') => return wrong("it holds a NUL"),
            Some(_) | None => {}
        }
    }
    match &body.name {
        Some(name) if name.trim().is_empty() => return Err(wrong("name", "it is empty")),
        Some(name) if name.chars().count() > LONGEST_NAME => {
            return Err(wrong("name", "it is longer than 200 characters"));
        }
        Some(name) if name.chars().any(char::is_control) => {
            return Err(wrong("name", "it holds a control character"));
        }
        None if body.name_source == Some(NameSource::User) => {
            return Err(wrong("name_source", "`user` needs a `name`"));
        }
        Some(_) | None => {}
    }
    let overrides = overrides(&body);
    Ok(Request {
        workspace_root: body.workspace_root,
        spec_path: body.spec_path,
        plan_path: body.plan_path,
        overrides,
        name: body.name,
        after: body.after.into_iter().collect(),
        priority: body.priority.unwrap_or(0),
        snapshot: body.snapshot,
        idempotency: None,
    })
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid(
        "invalid_body",
        format!("the body is not understood: {field}: {what}"),
    )
}

/// Fields that are keys of the configuration, over those of `config_override`.
fn overrides(body: &CreateRun) -> Map<String, Value> {
    let mut overrides = body.config_override.clone().unwrap_or_default();
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            overrides.insert(key.to_owned(), Value::from(value));
        }
    };
    set("agent", body.agent.as_deref());
    set("base_branch", body.base_branch.as_deref());
    set("run_branch_prefix", body.run_branch_prefix.as_deref());
    set("merge_target_branch", body.merge_target_branch.as_deref());
    set(
        "worktree_path_template",
        body.worktree_path_template.as_deref(),
    );
    set(
        "merge_strategy",
        body.merge_strategy.map(|strategy| match strategy {
            MergeStrategy::None => "none",
            MergeStrategy::Merge => "merge",
            MergeStrategy::Squash => "squash",
        }),
    );
    set(
        "run_naming_mode",
        body.name_source.and_then(|source| match source {
            NameSource::SpecSlug => Some("spec_slug"),
            NameSource::Haiku => Some("haiku"),
            // The name itself says it.
            NameSource::User => None,
        }),
    );
    overrides
}
