//! What is told at once, because trying again would not help: a token that is refused or cannot be read, something else than
//! loopd that listens there, an address that is none. Waiting for a daemon is tried in `unreachable`.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use super::fake::{Fake, http, raw, refusal, reply};
use super::loopctl::{Ended, User};
use super::unreachable::retries;

fn at_once(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert_eq!(retries(&ended.err), 0, "{}", ended.err);
    assert!(ended.err.contains(words), "{}", ended.err);
    assert!(ended.err.contains("1 attempt in"), "{}", ended.err);
    assert!(ended.err.contains("\nhint: "), "{}", ended.err);
    assert!(ended.err.contains("`loopd"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_by_the_health_check_fails_at_once() {
    let user = User::new();
    user.token("stale");
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let body = r#"{"error":{"code":"unauthorized","message":"the token is wrong"}}"#;
        let (addr, _) = raw(vec![http(status, body)]).await;
        let ended = user.at(&addr, &["list"]).await;
        at_once(&ended, "token refused");
        assert!(ended.err.contains("the token is wrong"), "{}", ended.err);
        assert!(
            ended.err.contains(".local/share/loopd/token"),
            "{}",
            ended.err
        );
        assert!(
            !ended.err.contains("stale"),
            "the token is shown: {}",
            ended.err
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_by_the_request_is_the_same() {
    let fake = Fake::start(|_| refusal(401, "unauthorized", "the token is wrong", "")).await;
    let ended = User::new()
        .at(&fake.addr, &["list", "--token", "secret"])
        .await;
    at_once(&ended, "token refused");
    assert!(
        ended.err.contains("--token or LOOPD_TOKEN"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("secret"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_is_not_loopd() {
    let user = User::new();
    for answer in [
        http("200 OK", "<html>It works!</html>"),
        http("200 OK", r#"{"service":"grafana","version":"1"}"#),
        http("200 OK", r#"{"status":"ok"}"#),
        http("404 Not Found", "no such page"),
        http("302 Found", ""),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"\x00\x01\x02\xff\xfe\r\n\r\n\x80\x81".to_vec(),
    ] {
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (addr, _) = raw(vec![answer]).await;
        let ended = user.at(&addr, &["list"]).await;
        assert!(ended.err.contains("not loopd"), "{text:?}: {}", ended.err);
        at_once(&ended, "what listens there is not loopd");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_that_goes_on_and_on_is_not_loopds() {
    let health = r#"{"service":"loopd","version":"0.1.0"}"#;
    let long = format!("{health}{}", " ".repeat(1 << 20));
    let (addr, _) = raw(vec![http("200 OK", &long)]).await;
    let ended = User::new().at(&addr, &["list"]).await;
    at_once(&ended, "what listens there is not loopd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_speaks_first_is_not_loopd() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n").await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
    at_once(&User::new().at(&addr, &["list"]).await, "not loopd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_up_or_hangs_has_timed_out() {
    let user = User::new();
    let brief = ["list", "--ready-timeout", "300ms"];
    let (addr, seen) = raw(vec![Vec::new()]).await;
    let ended = user.at(&addr, &brief).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("timed out"), "{}", ended.err);
    assert!(ended.err.contains("closed"), "{}", ended.err);
    assert!(seen.lock().expect("not poisoned").len() >= 2);

    let path = user.home.path().join("silent.sock");
    // Accepts by its backlog, never answers.
    let _listener = UnixListener::bind(&path).expect("a socket");
    let ended = user.at(&format!("unix:{}", path.display()), &brief).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("timed out"), "{}", ended.err);
    assert!(ended.err.contains("no answer within"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_address_is_wrong_usage() {
    let ended = User::new().at("127.0.0.1:7700", &["list"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("malformed address"), "{}", ended.err);
    assert!(ended.err.contains("hint: write --addr"), "{}", ended.err);
    assert_eq!(retries(&ended.err), 0, "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_cannot_be_read_is_named() {
    let user = User::new();
    user.file(".local/share/loopd/token/is-a-directory", "");
    let fake = Fake::start(|_| reply(200, &json!({}))).await;
    let ended = user.at(&fake.addr, &["list"]).await;
    at_once(&ended, "failed to read the token file");
    assert!(fake.seen().is_empty(), "nothing is sent without the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_comes_from_the_named_data_directory() {
    let user = User::new();
    user.file("data/token", "other\n");
    let fake = Fake::start(|_| reply(200, &json!({ "runs": [], "next_cursor": null }))).await;
    let ended = user.at(&fake.addr, &["list", "--data-dir", "data"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for seen in fake.seen() {
        assert_eq!(
            seen.header("authorization"),
            Some("Bearer other"),
            "{}",
            seen.uri
        );
    }
}
