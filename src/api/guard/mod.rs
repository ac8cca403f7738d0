//! What every request passes before a handler sees it, from the outside in: it is observed, panics behind are caught, its
//! length is bounded, it is meant for this host, it does not come from a foreign page, it carries the token, no
//! step commands, and it finds room. Each guard is a function of the request; none knows a route but the open one.

mod admit;
mod bearer;
mod bounds;
mod host;
mod observe;
mod pace;
mod panic;
mod within;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

pub(super) use admit::{Admission, admit};
pub(super) use pace::{Pace, pace};
pub(super) use within::Asker;

use super::state::Shared;

/// The only path that is open without a token.
pub(super) const OPEN_PATH: &str = "/health";

/// Puts the guards around a router. The last one added is the first that a request meets.
pub(super) fn around(router: Router, app: &Shared) -> Router {
    router
        .layer(from_fn_with_state(app.clone(), within::within))
        .layer(from_fn_with_state(app.clone(), bearer::bearer))
        .layer(from_fn(host::origin))
        .layer(from_fn_with_state(app.clone(), host::host))
        .layer(from_fn(bounds::bounds))
        .layer(CatchPanicLayer::custom(panic::caught))
        .layer(from_fn_with_state(app.clone(), observe::observe))
}
