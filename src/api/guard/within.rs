//! A step does not command the daemon that confines it. The secret of the API is a file that it can read; but what it asked
//! for would be done outside of its fence: a run without one, a merge, the removal of another's worktree. It may look, as
//! it may read everything else.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::effect::caller::{Caller, Whence};

/// Who is at the other end of one connection. It is found out once, at the first command: who is outside hands its
/// connection to no step, and a step can take none from outside.
#[derive(Clone, Debug)]
pub(in crate::api) struct Asker {
    caller: Caller,
    whence: Arc<OnceCell<Whence>>,
}

impl Asker {
    pub(in crate::api) fn new(caller: Caller) -> Self {
        let whence = Arc::default();
        Asker { caller, whence }
    }

    async fn whence(&self) -> &Whence {
        let caller = self.caller;
        let find = async move || {
            let found = spawn_blocking(move || caller.whence()).await;
            found.unwrap_or_else(|error| Whence::Unknown(error.to_string()))
        };
        self.whence.get_or_init(find).await
    }
}

/// Lets a command pass that nobody asks for from within a fenced step.
pub(super) async fn within(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let whence = match request.extensions().get::<Asker>() {
        Some(asker) => asker.whence().await,
        None => &Whence::Unknown("the connection was not looked at".to_owned()),
    };
    let (method, path) = (request.method(), request.uri().path());
    match whence {
        Whence::Outside => next.run(request).await,
        Whence::Unknown(_) if !app.state.callers_are_told_apart => next.run(request).await,
        Whence::Unknown(why) => {
            tracing::warn!(%method, path, why, "refused a command of a caller that could not be told apart");
            let message = format!("it cannot be told whether a step asks for this: {why}");
            ApiError::new(StatusCode::FORBIDDEN, "caller_unknown", message)
                .hint("a step is at work behind a fence, and some processes cannot be told from it over TCP, such as the forwarder of `ssh -L`: run loopctl on this machine, or let loopd listen at unix:PATH and forward to that (`ssh -L PORT:PATH`)")
                .into_response()
        }
        Whence::Step(step) => {
            tracing::warn!(%method, path, step, "refused a command from within a step");
            let message = format!(
                "the step {step} asks for this from behind its fence: it may look, and not command"
            );
            ApiError::new(StatusCode::FORBIDDEN, "asked_by_a_step", message)
                .hint("ask from outside of the step; a run whose steps are to command loopd has to be created with sandbox = \"off\"")
                .into_response()
        }
    }
}
