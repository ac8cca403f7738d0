//! The server: every request is noted and answered in the API that it came by. One server plays one mood.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::play::{self, Answer, Asked, Mood};
use super::{chat, gemini, messages, responses};

/// A model on loopback; it goes away when dropped.
pub struct Model {
    /// Its base URL, without a slash at the end.
    pub url: String,
    behind: Arc<Behind>,
    serving: JoinHandle<()>,
}

struct Behind {
    mood: Mood,
    keys: Mutex<Vec<String>>,
}

/// One API: how a request is read, and how an answer is written (to the path, for the request).
pub(super) struct Api {
    pub(super) asked: fn(&Value) -> Asked,
    pub(super) answered: fn(&str, &Value, &Answer) -> Response,
}

impl Model {
    /// Listens at a port of its own.
    pub async fn start(mood: Mood) -> Model {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let behind = Arc::new(Behind {
            mood,
            keys: Mutex::default(),
        });
        let app = Router::new()
            .fallback(take)
            .layer(DefaultBodyLimit::disable())
            .with_state(behind.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("the model serves");
        });
        Model {
            url: format!("http://{address}"),
            behind,
            serving,
        }
    }

    /// The key of each request so far.
    pub fn keys(&self) -> Vec<String> {
        self.behind
            .keys
            .lock()
            .expect("no panic in the model")
            .clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    State(behind): State<Arc<Behind>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    if path.ends_with("/count_tokens") || path.ends_with(":countTokens") {
        return json_response(
            StatusCode::OK,
            &json!({ "input_tokens": 1000, "totalTokens": 1000 }),
        );
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let api = if path.ends_with("/messages") {
        messages::API
    } else if path.ends_with("/responses") {
        responses::API
    } else if path.ends_with("/chat/completions") {
        chat::API
    } else if path.contains(":generateContent") || path.contains(":streamGenerateContent") {
        gemini::API
    } else {
        // Lists of models, probes and the like: agents do without.
        let error = json!({ "error": { "type": "not_found_error", "message": path } });
        return json_response(StatusCode::NOT_FOUND, &error);
    };
    behind
        .keys
        .lock()
        .expect("no panic in the model")
        .push(key(&headers));
    let answer = play::answer(&behind.mood, &(api.asked)(&body));
    (api.answered)(path, &body, &answer)
}

fn key(headers: &HeaderMap) -> String {
    let sent = ["x-api-key", "x-goog-api-key", "authorization"]
        .iter()
        .find_map(|name| headers.get(*name))
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    sent.trim_start_matches("Bearer ").to_owned()
}

/// The request's tools and its history, as each API has them, become what [`play`] knows.
pub(super) fn asked(body: &Value, tools: Vec<(String, Value)>, worked: bool) -> Asked {
    Asked {
        whole: body.to_string(),
        tools,
        worked,
    }
}

/// A JSON answer.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// The same answer with one more header.
pub(super) fn with_header(mut response: Response, name: &str, value: &str) -> Response {
    response.headers_mut().insert(
        HeaderName::try_from(name).expect("a header's name"),
        HeaderValue::from_str(value).expect("a header's value"),
    );
    response
}

/// A stream of server-sent events: a name, where the API has names, and data.
pub(super) fn stream_response(events: &[(&str, String)]) -> Response {
    let mut text = String::new();
    for (name, data) in events {
        if !name.is_empty() {
            text.push_str(&format!("event: {name}\n"));
        }
        text.push_str(&format!("data: {data}\n\n"));
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}

/// The items of a list; none where there is no list.
pub(super) fn items(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Text; empty where there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
