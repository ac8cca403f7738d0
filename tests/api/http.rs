//! A plain HTTP client of the suite's own: what it sends is what the test says, and nothing else.

use agent_loop::cli::client::sse::{Message, Parser};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request that is still being put together.
pub struct Ask {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Ask {
    /// With a good `Host` and this token.
    pub fn new(address: SocketAddr, token: &str, method: Method, path: &str) -> Self {
        Ask {
            address,
            method,
            path: path.to_owned(),
            headers: vec![
                ("host".to_owned(), address.to_string()),
                ("authorization".to_owned(), format!("Bearer {token}")),
            ],
            body: Bytes::new(),
        }
    }

    /// Instead of the header of that name, if there is one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(it, _)| it != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Reply {
        let response = self.open().await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Reply {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// The stream that is answered.
    pub async fn stream(self) -> Stream {
        let response = self.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream {
            body: response.into_body(),
            parser: Parser::default(),
            ready: VecDeque::new(),
        }
    }

    /// The stream that is answered, or the refusal.
    pub async fn try_stream(self) -> Result<Stream, Reply> {
        let response = self.open().await;
        if response.status() == StatusCode::OK {
            return Ok(Stream {
                body: response.into_body(),
                parser: Parser::default(),
                ready: VecDeque::new(),
            });
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Err(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn open(self) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("speaks HTTP");
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).expect("a request");
        sender.send_request(request).await.expect("an answer")
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The body of a success.
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.json());
        self.json()
    }

    /// Asserts a refusal of this status and code, in the one shape; its message and its hint.
    pub fn refused(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(self.headers["content-type"], "application/json");
        let text = |key: &str| body["error"][key].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{body}");
        format!("{} | {}", text("message"), text("hint"))
    }
}

/// Server-sent events as they come.
pub struct Stream {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Message>,
}

impl Stream {
    /// The next message; `None` when the server has ended the stream in good order.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let frame = self.body.frame().await?.expect("an unbroken stream");
            let mut messages = Vec::new();
            let bytes = frame.into_data().unwrap_or_default();
            self.parser
                .feed(&bytes, &mut messages)
                .expect("short messages");
            self.ready.extend(messages);
        }
    }

    /// Everything until its end.
    pub async fn rest(mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

/// What a message carries.
pub fn data(message: &Message) -> Value {
    serde_json::from_str(&message.data).expect("JSON")
}

/// Sends these bytes and reads until the server closes.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes).await.expect("sends");
    let mut answer = Vec::new();
    // A reset after the answer is no matter: what came before it counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
