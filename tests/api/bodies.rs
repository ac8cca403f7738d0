//! Every route that takes a body, as the description lists them: none is larger than agreed, none has a field that nobody
//! knows, and what is refused changes nothing.

use hyper::Method;
use serde_json::{Value, json};

use super::http::raw;
use super::server::Server;

/// The paths of all routes that are posted to, for this run.
async fn posted(server: &Server, id: &str) -> Vec<String> {
    let described = server.get("/openapi.json").await.ok();
    let paths = described["paths"].as_object().expect("paths").iter();
    let posted = paths.filter(|(_, methods)| methods.get("post").is_some());
    let all: Vec<String> = posted.map(|(path, _)| path.replace("{id}", id)).collect();
    assert!(all.len() >= 10, "{all:?}");
    all
}

/// A body that the route would take.
fn good(server: &Server, path: &str) -> Value {
    match path {
        "/runs" => server.body(),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_names_the_field_that_it_does_not_know() {
    let server = Server::idle().await;
    let id = server.create("strict").await;
    for path in posted(&server, &id).await {
        let mut body = good(&server, &path);
        body["a_surprise"] = json!(1);
        let reply = server.post_json(&path, &body).await;
        let said = reply.refused(422, "invalid_body");
        assert!(said.contains("a_surprise"), "{path}: {said}");
        // The same name with other letters is another field, and one that comes twice has no meaning.
        let mut body = good(&server, &path);
        body["Accept"] = json!(true);
        let reply = server.post_json(&path, &body).await;
        assert!(reply.refused(422, "invalid_body").contains("Accept"));
    }
    for (path, twice) in [
        ("resume", r#"{"accept":true,"accept":false}"#),
        (
            "retry",
            r#"{"merge_strategy":"none","merge_strategy":"merge"}"#,
        ),
    ] {
        let ask = server
            .ask(Method::POST, &format!("/runs/{id}/{path}"))
            .header("content-type", "application/json");
        let said = ask.body(twice).send().await.refused(422, "invalid_body");
        assert!(said.contains("duplicate field"), "{said}");
    }
    let runs = server.get("/runs").await.ok()["runs"].clone();
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "none was made");
    assert_eq!(runs[0]["rev"], 1, "and none was changed: {runs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_bounds_its_body_whether_or_not_its_length_is_said() {
    let server = Server::idle().await;
    let id = server.create("bounded").await;
    let size = 1_048_577;
    for path in posted(&server, &id).await {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nconnection: close\r\n",
            server.token
        );
        let said = format!("{head}content-length: {size}\r\n\r\n");
        let unsaid = format!(
            "{head}transfer-encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n",
            " ".repeat(size)
        );
        for request in [said, unsaid] {
            let answer = raw(server.address, request.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
                "{path}: {answer}"
            );
        }
    }
    let runs = server.get("/runs").await.ok()["runs"].clone();
    assert_eq!((&runs[0]["rev"], &runs[1]), (&json!(1), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_needs_the_token_and_a_host_of_its_own() {
    let server = Server::idle().await;
    let id = server.create("guarded").await;
    for path in posted(&server, &id).await {
        let body = good(&server, &path);
        let ask = || server.ask(Method::POST, &path).json(&body);
        let reply = ask().without("authorization").send().await;
        reply.refused(401, "unauthorized");
        let reply = ask().header("host", "evil.example").send().await;
        assert_eq!(reply.status, 403, "{path}");
        let reply = ask().header("origin", "https://evil.example").send().await;
        assert_eq!(reply.status, 403, "{path}");
    }
    let runs = server.get("/runs").await.ok()["runs"].clone();
    assert_eq!((&runs[0]["rev"], &runs[1]), (&json!(1), &Value::Null));
}
