//! Every reply that is not a success: a status and the one JSON shape of `wire::ErrorBody`. Which error of which room
//! becomes which status is said here and nowhere else; what went wrong inside (500) is logged here, too, and so is what
//! passes by itself (503), as far as `told.rs` goes.

use std::time::Instant;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::told::Told;
use super::wire::{Candidate, ErrorBody, ErrorDetail};
use crate::core::run::{RunId, Trouble, TroubleKind};
use crate::daemon::{AskError, CleanError, CreateError, Gone};
use crate::effect::git::{GitError, GitErrorKind};
use crate::store::StoreError;

/// Seconds that a client is asked to wait before it asks again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// What to do while the daemon ends.
const NEXT_DAEMON: &str = "start loopd again, then ask again";
/// What to do about a full disk.
const ROOM: &str = "make room on that disk, then ask again";
/// What to do where nothing can be written.
const WRITABLE: &str = "make it writable (a mount, a permission), then ask again";

/// A refusal on its way to the client.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// `code` is a stable word, `message` a lowercase fragment that names the thing.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody::new(code, message);
        ApiError { status, body }
    }

    /// 422: the request is understood and wrong.
    pub fn invalid(code: &str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 404 for a reference that means no run.
    pub fn no_run(reference: &str) -> Self {
        let shown: String = reference.chars().take(80).collect();
        let message = format!("there is no run {shown:?}");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("`loopctl list` shows the runs; name one by its id, a part of it, or its name")
    }

    /// 409 for a reference that means several runs, the newest first.
    pub fn ambiguous(reference: &str, runs: &[(RunId, String)]) -> Self {
        let shown: Vec<String> = runs
            .iter()
            .map(|(id, name)| format!("{id} ({name})"))
            .collect();
        let mut error = ApiError::new(
            StatusCode::CONFLICT,
            "ambiguous",
            format!("{reference:?} may mean any of {} runs", runs.len()),
        )
        .hint(format!(
            "use more of the id of one of: {}",
            shown.join(", ")
        ));
        let candidate = |(id, name): &(RunId, String)| {
            let (id, name) = (id.0.parse().ok()?, name.clone());
            Some(Candidate { id, name })
        };
        error.body.error.candidates = runs.iter().filter_map(candidate).collect();
        error
    }

    /// 500: a bug of ours or a damaged installation; `message` says what was tried.
    pub fn internal(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            .hint("see the log of loopd")
    }

    /// 503: the same request may succeed soon.
    pub fn unavailable(code: &str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// Status and words, for somebody who answers without HTTP.
    pub fn into_parts(self) -> (u16, ErrorDetail) {
        (self.status.as_u16(), self.body.error)
    }

    /// The same error, saying what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.error.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let ApiError { status, body } = self;
        tell(status, &body.error);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        response
    }
}

/// What the log has heard of what passes.
static TOLD: Told = Told::new();

/// What a client did wrong is for the client alone. What passes by itself is no error of loopd's.
fn tell(status: StatusCode, error: &ErrorDetail) {
    let (code, message) = (&error.code, &error.message);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        if let Some(left_out) = TOLD.admits(code, Instant::now()) {
            tracing::warn!(code, message, left_out, "a request was turned away for now");
        }
    } else if status.is_server_error() {
        tracing::error!(status = status.as_u16(), code, message, "a request failed");
    }
}

impl From<Gone> for ApiError {
    fn from(gone: Gone) -> Self {
        ApiError::unavailable("stopping", gone.to_string()).hint(NEXT_DAEMON)
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Gone(gone) => gone.into(),
            AskError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Busy { .. } => {
                ApiError::unavailable("store_busy", message).hint("ask again")
            }
            StoreError::Full { .. } => ApiError::unavailable("disk_full", message).hint(ROOM),
            StoreError::Unwritable { .. } => {
                ApiError::unavailable("unwritable", message).hint(WRITABLE)
            }
            StoreError::Gone => ApiError::unavailable("stopping", message).hint(NEXT_DAEMON),
            StoreError::NoSuchRun(_) | StoreError::NoSuchStep(_) => {
                ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
            }
            StoreError::Open { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Damaged { .. }
            | StoreError::Lost { .. }
            | StoreError::Sqlite { .. }
            | StoreError::Unreadable { .. } => ApiError::internal(format!("failed to {message}")),
        }
    }
}

impl From<GitError> for ApiError {
    fn from(error: GitError) -> Self {
        let message = format!("failed to {error}");
        match error.kind {
            GitErrorKind::Transient => ApiError::unavailable("git_busy", message).hint("ask again"),
            GitErrorKind::NoSpace => ApiError::unavailable("disk_full", message).hint(ROOM),
            GitErrorKind::ReadOnly => ApiError::unavailable("read_only", message).hint(WRITABLE),
            GitErrorKind::Held => ApiError::invalid("worktree_held", message),
            GitErrorKind::Denied => ApiError::invalid("permission_denied", message)
                .hint("`chmod` or `chown` it for the user that loopd runs as, then ask again"),
            GitErrorKind::MissingRepo => ApiError::invalid("workspace_missing", message),
            GitErrorKind::Permanent => ApiError::invalid("git_failed", message),
        }
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble.kind {
            TroubleKind::Transient | TroubleKind::NoSpace | TroubleKind::ReadOnly => {
                ApiError::unavailable(&trouble.code, trouble.message)
            }
            TroubleKind::NeedsPerson | TroubleKind::Permanent => {
                ApiError::invalid(&trouble.code, trouble.message)
            }
        }
    }
}

impl From<CleanError> for ApiError {
    fn from(error: CleanError) -> Self {
        let message = error.to_string();
        match error {
            CleanError::BadPath { .. } => ApiError::invalid("invalid_path", message),
            CleanError::NotOurs { hint, .. } => {
                ApiError::new(StatusCode::NOT_FOUND, "not_ours", message).hint(hint)
            }
            CleanError::Refused { hint, .. } => {
                ApiError::new(StatusCode::CONFLICT, "refused", message).hint(hint)
            }
            CleanError::Kept { path, .. } => {
                let error = ApiError::new(StatusCode::CONFLICT, "worktree_kept", message);
                error.hint(format!(
                    "commit or put away what is left in {path}, then ask again; `git worktree remove --force` is for you to decide"
                ))
            }
            CleanError::Ask(error) => error.into(),
            CleanError::Git(error) => error.into(),
            CleanError::Look(trouble) => trouble.into(),
            CleanError::Bug(_) => ApiError::internal(format!("failed to {message}")),
        }
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        let message = error.to_string();
        match error {
            CreateError::Invalid {
                code,
                message,
                hint,
            } => {
                let error = ApiError::invalid(code, message);
                match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
            CreateError::Config(_) => ApiError::invalid("config_invalid", message)
                .hint("each line names the file or the field, and the key"),
            CreateError::KeyTaken(_) => {
                ApiError::new(StatusCode::CONFLICT, "idempotency_key_taken", message)
                    .hint("use a fresh Idempotency-Key for every new request")
            }
            CreateError::Git(error) => error.into(),
            CreateError::Unusable(trouble) => trouble.into(),
            CreateError::Store(error) => error.into(),
            CreateError::Gone => ApiError::unavailable("stopping", message).hint(NEXT_DAEMON),
            CreateError::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    ApiError::unavailable("disk_full", message).hint(ROOM)
                }
                std::io::ErrorKind::ReadOnlyFilesystem => {
                    ApiError::unavailable("read_only", message).hint(WRITABLE)
                }
                std::io::ErrorKind::PermissionDenied => ApiError::invalid("not_readable", message)
                    .hint("let the user that loopd runs as read it"),
                std::io::ErrorKind::InvalidFilename => ApiError::invalid("path_too_long", message)
                    .hint("give it shorter names: at most 255 bytes each, 4095 in all"),
                _ => ApiError::internal(message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn whatever_may_pass_says_what_to_do_until_then() {
        let git = |kind| {
            ApiError::from(GitError {
                kind,
                tried: "look".to_owned(),
                said: "no".to_owned(),
            })
        };
        for error in [
            ApiError::from(Gone),
            ApiError::from(StoreError::Gone),
            ApiError::from(CreateError::Gone),
            git(GitErrorKind::Transient),
            git(GitErrorKind::NoSpace),
            git(GitErrorKind::ReadOnly),
        ] {
            let (status, detail) = error.into_parts();
            assert_eq!(status, 503, "{detail:?}");
            assert!(detail.hint.is_some(), "{detail:?}");
        }
    }

    /// Where a log goes to.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_tells_a_bug_as_an_error_what_passes_as_a_warning_and_nothing_of_a_clients_mistake() {
        let lines = Lines::default();
        let to = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            for error in [
                ApiError::internal("one bug"),
                ApiError::unavailable("full_house", "one too many"),
                ApiError::invalid("wrong", "one mistake"),
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", "one at a time"),
            ] {
                let _ = error.into_response();
            }
        });
        let lines = lines.0.lock().expect("not poisoned").clone();
        let lines = String::from_utf8(lines).expect("text");
        let lines: Vec<&str> = lines.lines().collect();
        let [bug, passes] = lines[..] else {
            panic!("{lines:?}");
        };
        assert!(bug.contains("ERROR") && bug.contains("one bug"), "{bug}");
        assert!(
            passes.contains("WARN") && passes.contains("one too many"),
            "{passes}"
        );
    }
}
