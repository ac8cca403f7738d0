//! From the bytes of a request to typed values, with the one JSON shape for everything that is wrong with them. A value
//! that is not understood is never replaced by a default.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::error::ApiError;

/// Bytes of a body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// A JSON body that has to be there.
pub(super) struct Json<T>(pub T);

/// A JSON body that may be left out.
pub(super) struct OptionalJson<T>(pub T);

/// The query, understood.
pub(super) struct Query<T>(pub T);

/// What a person calls a run, out of the path.
pub(super) struct Reference(pub String);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        understood_as_json(&head.headers)?;
        Ok(Json(parse(&read(body).await?)?))
    }
}

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        understood_as_json(&head.headers)?;
        Ok(OptionalJson(parse(&bytes)?))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Query(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .split_once(": ")
                    .map_or(text.as_str(), |(_, what)| what);
                Err(ApiError::invalid(
                    "invalid_query",
                    format!("the query is not understood: {text}"),
                ))
            }
        }
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Reference {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(reference)) => Ok(Reference(reference)),
            Err(rejection) => {
                let message = format!("the path is not understood: {}", rejection.body_text());
                Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_path",
                    message,
                ))
            }
        }
    }
}

fn understood_as_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |message: &str| {
        Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
        .hint("send JSON with `Content-Type: application/json`"))
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse("the body is encoded, which is not understood here");
    }
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = given
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        Some(_) => refuse("the body is not said to be JSON"),
        None => refuse("the Content-Type of the body is missing"),
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is longer than {MAX_BODY_BYTES} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    // One that says so beforehand is not waited for.
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let read = Limited::new(body, MAX_BODY_BYTES).collect().await;
    read.map(|body| body.to_bytes()).map_err(|error| {
        if error.is::<LengthLimitError>() {
            return too_large();
        }
        let message = format!("the body did not arrive: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "body_broken", message)
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A list would be taken for the fields of a struct in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| refused(None, &error))?;
        return Err(ApiError::invalid(
            "invalid_body",
            "the body is not understood: it is not an object",
        ));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refused(Some(path).filter(|path| path != "."), error.inner())
    })?;
    json.end().map_err(|error| refused(None, &error))?;
    Ok(value)
}

/// `field` is where in the body it went wrong, when it did so inside of a field.
fn refused(field: Option<String>, error: &serde_json::Error) -> ApiError {
    let (status, code) = match error.classify() {
        Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
        Category::Io | Category::Syntax | Category::Eof => {
            (StatusCode::BAD_REQUEST, "invalid_json")
        }
    };
    let message = match field {
        Some(field) => format!("the body is not understood: {field}: {error}"),
        None => format!("the body is not understood: {error}"),
    };
    ApiError::new(status, code, message)
}
