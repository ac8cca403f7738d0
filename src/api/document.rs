//! The OpenAPI document: what `utoipa` collects from the handlers, and what holds for all of them. `docs/openapi.json` is
//! the same text; a test compares the two.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::wire::{Candidate, ErrorBody, ErrorDetail};

/// The name of the only way to prove who one is.
const BEARER: &str = "token";

/// The document before any route is in it.
pub(super) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("loopd")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Queue runs, watch them and operate on them. Every error has the shape of ErrorBody; times are RFC 3339 in UTC.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(Components::new()))
        .security(Some([SecurityRequirement::new(
            BEARER,
            Vec::<String>::new(),
        )]))
        .build()
}

/// Adds what every route has: the token, and the shape of its errors.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(BEARER, scheme);
    for (name, schema) in [
        (ErrorBody::name(), ErrorBody::schema()),
        (ErrorDetail::name(), ErrorDetail::schema()),
        (Candidate::name(), Candidate::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    let error = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorBody::name())))
        .build();
    let refusal = ResponseBuilder::new()
        .description("Any refusal or failure")
        .content("application/json", error)
        .build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), refusal.clone().into());
            // The standard demands a word on each, which is the route's own where it says nothing better.
            for (status, response) in responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = match status.as_str() {
                        "404" => "There is no such run".to_owned(),
                        _ => operation.summary.clone().unwrap_or_default(),
                    };
                }
            }
        }
    }
    document
}
