//! Requests of the wrong length, kind or address: each is named in the one shape of an error.

use hyper::Method;

use super::http::raw;
use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_named() {
    let server = Server::idle().await;
    let long = "x".repeat(9000);
    let reply = server.get(&format!("/runs?cursor={long}")).await;
    reply.refused(414, "uri_too_long");
    let reply = server
        .ask(Method::GET, "/runs")
        .header("x-note", &long)
        .send()
        .await;
    let said = reply.refused(431, "header_too_long");
    assert!(said.contains("x-note"), "{said}");
    // Far too long, and far too many.
    let many: String = (0..100).map(|n| format!("h{n}: x\r\n")).collect();
    for headers in [format!("h: {}\r\n", "x".repeat(100_000)), many] {
        let head = format!(
            "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        );
        let answer = raw(server.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    server.get("/ready").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_bounded_whether_or_not_it_says_its_length() {
    let server = Server::idle().await;
    let token = &server.token;
    let head = format!(
        "POST /runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    );
    let said = format!("{head}content-length: 1048577\r\n\r\n");
    let answer = raw(server.address, said.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
        "{answer}"
    );
    let size = 1_048_577;
    let unsaid = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n",
        " ".repeat(size)
    );
    let answer = raw(server.address, unsaid.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // As long as is allowed: read, and refused for what it is.
    let full = " ".repeat(1_048_576);
    let reply = server
        .ask(Method::POST, "/runs")
        .header("content-type", "application/json")
        .body(full);
    reply.send().await.refused(400, "invalid_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_said_to_be_json_is_refused() {
    let server = Server::idle().await;
    let body = server.body().to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "x",
    ] {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("content-type", kind)
            .body(body.clone());
        ask.send().await.refused(415, "unsupported_media_type");
    }
    server
        .ask(Method::POST, "/runs")
        .body(body.clone())
        .send()
        .await
        .refused(415, "unsupported_media_type");
    server
        .ask(Method::POST, "/runs/x/pause")
        .body("{}")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    let ask = server
        .ask(Method::POST, "/runs")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    ask.body(body.clone())
        .send()
        .await
        .refused(415, "unsupported_media_type");
    let ask = server
        .ask(Method::POST, "/runs")
        .header("content-type", "Application/JSON; charset=utf-8")
        .body(body);
    ask.send().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_said_in_json() {
    let server = Server::idle().await;
    for path in [
        "/",
        "/run",
        "/runs/",
        "/runs/x/nothing",
        "/worktrees/x",
        "/runs/a/b/c",
        "/%2e%2e/etc/passwd",
    ] {
        server.get(path).await.refused(404, "no_such_path");
    }
    for (method, path) in [
        (Method::DELETE, "/runs"),
        (Method::PUT, "/runs/x"),
        (Method::GET, "/runs/x/pause"),
        (Method::POST, "/health"),
    ] {
        let reply = server.ask(method, path).send().await;
        reply.refused(405, "method_not_allowed");
        assert!(reply.headers.contains_key("allow"), "{path}");
    }
    server.get("/runs/%ff").await.refused(400, "invalid_path");
    for reference in [
        "nobody",
        "..",
        "%2e%2e",
        "%00",
        "a%20b",
        "%25",
        "%2F..%2F..%2Fetc%2Fpasswd",
        "%27%20OR%201=1",
    ] {
        for rest in [
            "",
            "/steps",
            "/artifacts",
            "/diff",
            "/why",
            "/events",
            "/output",
        ] {
            let reply = server.get(&format!("/runs/{reference}{rest}")).await;
            reply.refused(404, "not_found");
        }
    }
}
