//! HTTP on loopback or a Unix socket: parse, ask the engine, answer. Everything that changes a run goes through the
//! engine's handle; everything that is read comes from the store's reader; nothing is decided here.
//!
//! | room | what lives there |
//! |---|---|
//! | `wire` | every JSON body, shared with `loopctl` |
//! | `route` | a handler for each path |
//! | `stream` | server-sent events: what happens, and what steps write |
//! | `guard` | what a request passes before a handler: host, origin, token, bounds |
//! | `view` | from stored types to the wire's |
//! | `extract`, `error` | bytes to values, errors to replies |
//! | `document` | the OpenAPI document |
//! | `listener`, `serve`, `limits` | sockets and connections, and how many |
//! | `token` | the secret |

mod document;
mod error;
mod extract;
mod guard;
mod limits;
mod listener;
mod route;
mod serve;
mod state;
mod stream;
mod token;
mod told;
mod view;
pub mod wire;

use axum::Router;
use axum::body::Bytes;
use utoipa::openapi::OpenApi;

pub use error::ApiError;
pub use extract::MAX_BODY_BYTES;
pub use limits::wanted_descriptors;
pub use listener::{ListenError, Listener};
pub use route::request;
pub use serve::serve;
pub use state::ApiState;
pub use token::{FILE_NAME as TOKEN_FILE, Token, TokenError};

/// Everything that is served, with all guards in front of it.
pub fn router(state: ApiState) -> Router {
    let (routes, document) = route::routes().split_for_parts();
    let app = state::App::new(state, Bytes::from(text(&document::complete(document))));
    let router = routes
        .fallback(route::unknown)
        .method_not_allowed_fallback(route::not_this_way)
        .with_state(app.clone());
    guard::around(router, &app)
}

/// The OpenAPI document as it is served and committed.
pub fn openapi() -> String {
    let (_, document) = route::routes().split_for_parts();
    text(&document::complete(document))
}

fn text(document: &OpenApi) -> String {
    // The document is built of constants; that it can be written is shown by the suite.
    document
        .to_pretty_json()
        .map(|text| text + "\n")
        .unwrap_or_default()
}
