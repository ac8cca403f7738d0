//! Connections that break: what is asked once more and what never, and for how long a stream is waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use agent_loop::cli::client::call::Call;
use agent_loop::cli::client::endpoint::Endpoint;
use agent_loop::cli::client::follow::{Follow, Next};
use agent_loop::cli::client::request::Client;
use agent_loop::cli::client::token::TokenSource;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{pause, resume, timeout};

use super::fake::{RUN, broken_stream, event, http, raw, run};
use super::loopctl::User;

fn health() -> Vec<u8> {
    http("200 OK", r#"{"service":"loopd","version":"0.1.0"}"#)
}

/// The value of a header in the head of a request.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_once_more_and_retries_are_told_once() {
    let starting = http("503 Service Unavailable", "{}");
    let list = http("200 OK", r#"{"runs":[],"next_cursor":null}"#);
    let (addr, seen) = raw(vec![starting, health(), Vec::new(), list]).await;
    let ended = User::new().at(&addr, &["list"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("asking once more"), "{}", ended.err);
    let seen = seen.lock().expect("not poisoned");
    let told: Vec<_> = seen[2..]
        .iter()
        .map(|head| header(head, "x-loopd-readiness-retries"))
        .collect();
    assert_eq!(told, [Some("1"), Some("0")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_never_answered_is_asked_twice() {
    let (addr, seen) = raw(vec![health(), Vec::new()]).await;
    let ended = User::new().at(&addr, &["list"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("2 attempts in"), "{}", ended.err);
    assert_eq!(seen.lock().expect("not poisoned").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_by_somebody_else_is_not_asked_once_more() {
    let (addr, seen) = raw(vec![health(), b"220 mail.example.org ESMTP\r\n".to_vec()]).await;
    let ended = User::new().at(&addr, &["list"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("is not loopd"), "{}", ended.err);
    assert!(ended.err.contains("1 attempt in"), "{}", ended.err);
    assert_eq!(seen.lock().expect("not poisoned").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_asks_of_a_run_is_never_asked_twice() {
    let (addr, seen) = raw(vec![health(), Vec::new()]).await;
    let ended = User::new().at(&addr, &["cancel", "login"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("1 attempt in"), "{}", ended.err);
    assert_eq!(seen.lock().expect("not poisoned").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_asked_for_once_more_under_the_same_key() {
    let made = json!({ "run": run("queued", "PENDING"), "warnings": [],
        "plan": { "tasks": 1, "done": 0, "blocked": 0, "human": 0, "skipped": [] } });
    let made = http("201 Created", &made.to_string());
    let (addr, seen) = raw(vec![health(), Vec::new(), made]).await;
    let user = User::new();
    user.file("specs/login.md", "# Login\n");
    let ended = user.at(&addr, &["run", "specs/login.md"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let seen = seen.lock().expect("not poisoned");
    let key = |at: usize| header(&seen[at], "idempotency-key");
    assert!(key(1).is_some_and(|key| !key.is_empty()), "{}", seen[1]);
    assert_eq!(key(1), key(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_makes_up_for_the_tries_before_it() {
    let said = |seq| broken_stream(&event(seq, "STEP_STARTED", RUN, json!({})));
    let last = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let last = format!("{last}{}", event(9, "RUN_COMPLETED", RUN, json!({})));
    let ended = json!({ "run": run("completed", "COMPLETED") });
    let (addr, _) = raw(vec![
        health(),
        said(1),
        said(2),
        said(3),
        last.into_bytes(),
        http("200 OK", &ended.to_string()),
    ])
    .await;
    let ended = User::new().at(&addr, &["events", "-f", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.err.matches("attempt=0 ").count(), 3, "{}", ended.err);
}

/// A daemon at a path that comes and goes. Each connection gets one answer, and stays open as long as it is held.
struct Daemon(UnixListener);

impl Daemon {
    fn at(path: &Path) -> Self {
        Daemon(UnixListener::bind(path).expect("a socket"))
    }

    async fn answers(&self, answer: &[u8]) -> UnixStream {
        let (stream, _) = self.0.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).await.expect("a head") > 0);
        }
        let mut stream = stream.into_inner();
        stream.write_all(answer).await.expect("answers");
        stream
    }

    /// A stream with one message.
    async fn tells(&self, seq: i64) -> UnixStream {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let message = event(seq, "STEP_STARTED", RUN, json!({}));
        self.answers(format!("{head}{message}").as_bytes()).await
    }

    /// It is gone, and nobody listens there.
    fn goes(self, path: &Path) {
        drop(self);
        std::fs::remove_file(path).expect("removed");
    }
}

/// A daemon, and a client that has found it.
async fn found(path: &Path) -> (Daemon, Client) {
    let daemon = Daemon::at(path);
    let endpoint = Endpoint {
        address: format!("unix:{}", path.display()).parse().expect("good"),
        token: TokenSource::Nowhere,
        start: "loopd".to_owned(),
    };
    let health = health();
    let (client, _) = tokio::join!(
        endpoint.ready(Duration::from_secs(60)),
        daemon.answers(&health)
    );
    (daemon, client.map_err(|e| e.to_string()).expect("ready"))
}

async fn next(follow: &mut Follow<'_>) -> Next {
    let next = timeout(Duration::from_secs(60), follow.next()).await;
    next.expect("there is something").expect("a message")
}

fn number(next: &Next) -> &str {
    match next {
        Next::Message(message) => &message.id,
        Next::Closed => panic!("closed"),
    }
}

/// While nobody listens, nothing is under way but pauses: the clock goes from one to the next.
#[tokio::test]
async fn a_daemon_may_be_away_for_a_minute_each_time_and_no_longer() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("socket");
    let (daemon, client) = found(&path).await;
    let mut follow = Follow::new(&client, Call::get("follow", "/events"));
    let (first, open) = tokio::join!(next(&mut follow), daemon.tells(1));
    assert_eq!(number(&first), "1");
    drop(open);
    daemon.goes(&path);
    assert_eq!(next(&mut follow).await, Next::Closed, "a stream ends");

    pause();
    let away = timeout(Duration::from_secs(50), follow.next()).await;
    assert!(away.is_err(), "it is waited for");
    resume();
    let daemon = Daemon::at(&path);
    let (second, open) = tokio::join!(next(&mut follow), daemon.tells(2));
    assert_eq!(number(&second), "2");
    drop(open);
    daemon.goes(&path);
    assert_eq!(next(&mut follow).await, Next::Closed, "a stream ends");

    pause();
    let away = timeout(Duration::from_secs(50), follow.next()).await;
    assert!(away.is_err(), "what was before does not count");
    let lost = timeout(Duration::from_secs(30), follow.next()).await;
    let lost = lost.expect("it is given up").expect_err("nobody is there");
    let said = lost.to_string();
    assert!(said.contains("nothing listens there"), "{said}");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_taken_for_broken() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("socket");
    let (daemon, client) = found(&path).await;
    let mut follow = Follow::new(&client, Call::get("follow", "/events"));
    let (first, open) = tokio::join!(next(&mut follow), daemon.tells(1));
    assert_eq!(number(&first), "1");
    daemon.goes(&path);
    pause();
    let lost = timeout(Duration::from_secs(300), follow.next()).await;
    let lost = lost.expect("it is given up").expect_err("nobody is there");
    let said = lost.to_string();
    assert!(said.contains("nothing listens there"), "{said}");
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_closes_each_stream_at_once_is_asked_after_pauses() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("socket");
    let (daemon, client) = found(&path).await;
    let mut follow = Follow::new(&client, Call::get("follow", "/events"));
    let begun = Instant::now();
    for _ in 0..4 {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let closes = async { drop(daemon.answers(head).await) };
        let (closed, ()) = tokio::join!(next(&mut follow), closes);
        assert_eq!(closed, Next::Closed);
    }
    let pauses = Duration::from_millis(200 + 400 + 800);
    assert!(begun.elapsed() >= pauses, "{:?}", begun.elapsed());
}

/// How long the pause is after a stream that said so, and was closed twice.
async fn pause_after(wish: &str) -> Duration {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("socket");
    let (daemon, client) = found(&path).await;
    let mut follow = Follow::new(&client, Call::get("follow", "/events"));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let message = event(1, "STEP_STARTED", RUN, json!({}));
    let told = format!("{head}retry: {wish}\n{message}");
    let closes = async { drop(daemon.answers(told.as_bytes()).await) };
    let (first, ()) = tokio::join!(next(&mut follow), closes);
    assert_eq!(number(&first), "1");
    assert_eq!(next(&mut follow).await, Next::Closed);
    // After a message it is asked at once, and then after a pause.
    let closes = async { drop(daemon.answers(head.as_bytes()).await) };
    let (closed, ()) = tokio::join!(next(&mut follow), closes);
    assert_eq!(closed, Next::Closed);
    let begun = Instant::now();
    let closes = async { drop(daemon.answers(head.as_bytes()).await) };
    let (closed, ()) = tokio::join!(next(&mut follow), closes);
    assert_eq!(closed, Next::Closed);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pause_that_a_daemon_wishes_is_made_but_for_one_without_end() {
    let wished = pause_after("1000").await;
    assert!(wished >= Duration::from_secs(1), "{wished:?}");
    // An hour, of which five seconds are made: `next` is given a minute.
    pause_after("3600000").await;
}

/// Whoever connects waits in the backlog: nothing is under way but the limit of the client's patience.
#[tokio::test]
async fn a_daemon_that_takes_a_question_and_never_answers_is_given_a_minute_twice() {
    let dir = TempDir::new().expect("a directory");
    let (_silent, client) = found(&dir.path().join("socket")).await;
    pause();
    let asked = client.send(Call::get("list runs", "/runs"));
    let asked = timeout(Duration::from_secs(600), asked).await;
    let Err(error) = asked.expect("it is given up") else {
        panic!("nobody answers");
    };
    let said = error.to_string();
    assert!(said.contains("no answer within 60 s"), "{said}");
    assert!(said.contains("2 attempts in 120.0 s"), "{said}");
}

#[tokio::test]
async fn a_stream_that_is_never_opened_is_asked_for_again_until_it_is_given_up() {
    let dir = TempDir::new().expect("a directory");
    let (_silent, client) = found(&dir.path().join("socket")).await;
    let mut follow = Follow::new(&client, Call::get("follow", "/events"));
    pause();
    let lost = timeout(Duration::from_secs(600), follow.next()).await;
    let lost = lost.expect("it is given up").expect_err("nobody answers");
    let said = lost.to_string();
    assert!(said.contains("no answer within 10 s"), "{said}");
    // A minute from the first that failed, and ten seconds for each, with pauses of up to five seconds.
    assert!(said.contains("7 attempts in 71."), "{said}");
}
