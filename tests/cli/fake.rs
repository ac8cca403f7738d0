//! Servers that the suite plays: a daemon with scripted answers that remembers what it was asked, and raw sockets that
//! answer with whatever bytes they are given.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("ASCII"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Answers everything but `/health`.
type Answer = dyn Fn(&Seen) -> Response + Send + Sync;

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Answer>,
}

/// A daemon that says what it is told to say.
pub struct Fake {
    pub addr: String,
    shared: Shared,
}

impl Fake {
    /// On a free port.
    pub async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = format!("http://{}", listener.local_addr().expect("an address"));
        let (fake, router) = Fake::parts(addr, answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// On a Unix socket.
    pub fn at_socket(
        path: &std::path::Path,
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let (fake, router) = Fake::parts(format!("unix:{}", path.display()), answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn parts(
        addr: String,
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> (Self, Router) {
        let shared = Shared {
            seen: Arc::default(),
            answer: Arc::new(answer),
        };
        let router = Router::new().fallback(handle).with_state(shared.clone());
        (Fake { addr, shared }, router)
    }

    /// What it was asked, health included.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("not poisoned").clone()
    }

    /// What it was asked beside health.
    pub fn asked(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.uri != "/health");
        seen
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method,
        uri: head.uri.to_string(),
        headers: head.headers,
        body: axum::body::to_bytes(body, 1 << 20).await.expect("a body"),
    };
    let healthy = seen.uri == "/health";
    let answer = if healthy {
        health()
    } else {
        (shared.answer)(&seen)
    };
    shared.seen.lock().expect("not poisoned").push(seen);
    answer
}

fn health() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    reply(200, &json!({ "service": "loopd", "version": version }))
}

/// A JSON answer.
pub fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(body.clone())).into_response()
}

/// An error as the daemon words it.
pub fn refusal(status: u16, code: &str, message: &str, hint: &str) -> Response {
    reply(
        status,
        &json!({ "error": { "code": code, "message": message, "hint": hint } }),
    )
}

/// A stream of events that ends in good order.
pub fn events(text: impl Into<String>) -> Response {
    let headers = [("content-type", "text/event-stream")];
    (headers, Body::from(text.into())).into_response()
}

/// An event as the stream says it.
pub fn event(seq: i64, kind: &str, run: &str, payload: Value) -> String {
    let data = json!({
        "seq": seq, "type": kind, "run_id": run, "at": "2026-11-20T10:00:00Z", "payload": payload
    });
    format!("event: {kind}\nid: {seq}\ndata: {data}\n\n")
}

pub const RUN: &str = "019ab000-0000-7000-8000-00001f09a2c4";

/// A run as the daemon tells it.
pub fn run(state: &str, status: &str) -> Value {
    let ended = matches!(status, "COMPLETED" | "FAILED" | "CANCELED");
    json!({
        "id": RUN, "name": "login", "name_source": "spec_slug", "state": state, "status": status, "stage": null,
        "workspace_root": "/w", "spec_path": "specs/login.md", "plan_path": "specs/planning/login-plan.md",
        "agent": "claude", "priority": 0, "iteration": 2, "tasks_done": 3, "tasks_total": 5,
        "worktree": { "base_branch": "main", "run_branch": "run/login", "merge_target_branch": "agent/login",
                      "merge_strategy": "squash", "worktree_path": "/w.run-login", "kept": [] },
        "hold": null, "failure": null, "settled": ended, "review_status": null, "handover": null, "merge_commit": null, "pr_url": null, "postmortem": null, "unverified": false,
        "usage": { "input_tokens": 10, "output_tokens": 20, "cost_usd": null },
        "created_at": "2026-11-20T09:00:00Z", "queued_at": "2026-11-20T09:00:00Z",
        "started_at": "2026-11-20T09:01:00Z", "ended_at": ended.then_some("2026-11-20T10:00:00Z"),
        "updated_at": "2026-11-20T10:00:00Z", "rev": 7
    })
}

/// Serves each connection with the next of these answers, byte for byte, after it has read a request's head; then closes.
/// The last answer is repeated. Returns the address and what was asked.
pub async fn raw(answers: Vec<Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = format!("http://{}", listener.local_addr().expect("an address"));
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heads = Arc::clone(&seen);
    tokio::spawn(async move {
        for turn in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let head = read_head(&mut stream).await;
            heads.lock().expect("not poisoned").push(head);
            let answer = answers.get(turn).or(answers.last());
            let _ = stream.write_all(answer.expect("an answer")).await;
            let _ = stream.shutdown().await;
        }
    });
    (addr, seen)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An HTTP answer in bytes, of a known length.
pub fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// The head of a stream and its beginning; the connection breaks in the middle of a chunk.
pub fn broken_stream(text: &str) -> Vec<u8> {
    let length = text.len();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{length:x}\r\n{text}\r\nffff\r\ndata: never fin").into_bytes()
}
