//! Who may ask, and what is refused before anything is looked at.

use hyper::Method;
use serde_json::json;

use super::http::raw;
use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn health_is_open_and_nothing_else_is() {
    let server = Server::idle().await;
    let health = server.ask(Method::GET, "/health").without("authorization");
    let health = health.send().await.ok();
    assert_eq!(health["service"], "loopd");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["api"], 1);
    let paths = [
        "/ready",
        "/metrics",
        "/openapi.json",
        "/runs",
        "/runs/x",
        "/runs/x/output",
        "/queue",
        "/events",
        "/nothing",
        "/health/",
        "/",
    ];
    for path in paths {
        for token in [
            None,
            Some(""),
            Some("Bearer "),
            Some("Bearer wrong"),
            Some("Basic x"),
        ] {
            let ask = server.ask(Method::GET, path).without("authorization");
            let ask = match token {
                Some(token) => ask.header("authorization", token),
                None => ask,
            };
            let reply = ask.send().await;
            let said = reply.refused(401, "unauthorized");
            assert!(said.contains("Authorization: Bearer"), "{path}: {said}");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
    }
    let prefix = &server.token[..server.token.len() - 1];
    let almost = server
        .ask(Method::GET, "/ready")
        .header("authorization", &format!("Bearer {prefix}"));
    almost.send().await.refused(401, "unauthorized");
    let other_case = server
        .ask(Method::GET, "/ready")
        .header("authorization", &format!("bearer {}", server.token));
    assert_eq!(other_case.send().await.ok(), json!({ "ready": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_this_daemons_is_refused_even_for_health() {
    let server = Server::idle().await;
    for host in ["evil.example", "localhost.evil.example", "0.0.0.0:7700", ""] {
        let reply = server
            .ask(Method::GET, "/health")
            .header("host", host)
            .send()
            .await;
        let said = reply.refused(403, "host_forbidden");
        assert!(said.contains("allowed_hosts"), "{said}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:7700", "box.example:99"] {
        server
            .ask(Method::GET, "/health")
            .header("host", host)
            .send()
            .await
            .ok();
    }
    for head in [
        "GET /health HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_owned(),
        "GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned(),
    ] {
        let answer = raw(server.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{head}{answer}");
        assert!(answer.contains("host_forbidden"), "{head}{answer}");
        let names = head.contains("http://evil.example");
        assert_eq!(answer.contains("evil.example"), names, "{head}{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_does_not_hide_behind_our_own() {
    let server = Server::idle().await;
    for origins in [
        ["http://localhost", "http://evil.example"],
        ["http://evil.example", "http://localhost"],
    ] {
        let [first, second] = origins;
        let head = format!(
            "GET /health HTTP/1.1\r\nhost: localhost\r\norigin: {first}\r\norigin: {second}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(server.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("origin_forbidden"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_sent_twice_counts_for_none() {
    let server = Server::idle().await;
    let right = format!("Bearer {}", server.token);
    for (first, second) in [
        (&*right, "Bearer wrong"),
        ("Bearer wrong", &right),
        (&right, &right),
    ] {
        let head = format!(
            "GET /runs HTTP/1.1\r\nhost: localhost\r\nauthorization: {first}\r\nauthorization: {second}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(server.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(
            answer.contains("more than one Authorization header"),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_is_refused_and_our_own_is_not() {
    let server = Server::idle().await;
    for origin in [
        "http://evil.example",
        "http://localhost:3000",
        "null",
        "file://",
    ] {
        let ask = server.ask(Method::GET, "/queue").header("origin", origin);
        ask.send().await.refused(403, "origin_forbidden");
    }
    let own = format!("http://{}", server.address);
    server
        .ask(Method::GET, "/queue")
        .header("origin", &own)
        .send()
        .await
        .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_id_of_its_request_and_is_not_kept_by_anybody() {
    let server = Server::idle().await;
    let reply = server
        .ask(Method::GET, "/health")
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(reply.headers["x-request-id"], "mine-1");
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    for odd in ["a b", "x\"y", &"x".repeat(65)] {
        let reply = server
            .ask(Method::GET, "/nothing")
            .header("x-request-id", odd)
            .send()
            .await;
        assert_ne!(reply.headers["x-request-id"], odd);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_that_a_client_had_are_counted_once_and_only_with_the_token() {
    let server = Server::idle().await;
    let count = async || {
        let text = server.get("/metrics").await;
        assert!(
            text.headers["content-type"]
                .to_str()
                .is_ok_and(|kind| kind.starts_with("application/openmetrics-text"))
        );
        let text = String::from_utf8_lossy(&text.body).into_owned();
        assert!(text.contains("queue_blocked_workspace"), "{text}");
        let line = text
            .lines()
            .find(|line| line.starts_with("readiness_retry_count"));
        let number = line
            .and_then(|line| line.rsplit(' ').next())
            .expect("counted");
        number.parse::<u64>().expect("a number")
    };
    assert_eq!(count().await, 0);
    let told = |ask: super::http::Ask, retries: &str| {
        ask.header("x-loopd-readiness-retries", retries).send()
    };
    told(server.ask(Method::GET, "/runs"), "3").await.ok();
    assert_eq!(count().await, 3);
    told(
        server.ask(Method::GET, "/runs").without("authorization"),
        "5",
    )
    .await
    .refused(401, "unauthorized");
    told(server.ask(Method::GET, "/runs"), "many").await.ok();
    told(server.ask(Method::GET, "/runs"), "-1").await.ok();
    assert_eq!(count().await, 3);
    told(server.ask(Method::GET, "/runs"), "18446744073709551615")
        .await
        .ok();
    assert_eq!(count().await, 1003, "one client cannot spoil the count");
}

/// Refused ones count as well, so that none need be made.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_asked_for_without_end_are_slowed_down_and_lists_are_not() {
    let server = Server::idle().await;
    let mut asked = 0;
    let slowed = loop {
        let reply = server.post("/runs").await;
        if reply.status != 415 {
            break reply;
        }
        asked += 1;
        assert!(asked < 20_000, "nobody is slowed down");
    };
    slowed.refused(429, "too_fast");
    assert_eq!(slowed.headers["retry-after"], "1");
    assert!(asked >= 600, "a burst is served: {asked}");
    for _ in 0..20 {
        server.get("/runs").await.ok();
    }
}
