//! `POST /runs` sent again: one key means one request, and one run.

use hyper::Method;

use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_key_is_the_same_run_and_another_request_is_refused() {
    let server = Server::idle().await;
    let ask = |key: &str, body: String| {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("idempotency-key", key);
        ask.header("content-type", "application/json")
            .body(body)
            .send()
    };
    let body = server.body();
    let first = ask("k", body.to_string()).await;
    assert_eq!(first.status, 201);
    let first = first.ok();
    let spelt = serde_json::to_string_pretty(&body).expect("JSON");
    let again = ask("k", spelt).await;
    assert_eq!(
        again.status, 200,
        "the spelling of the JSON does not matter"
    );
    assert_eq!(again.ok()["run"], first["run"]);
    let mut other = body.clone();
    other["name"] = "other".into();
    let said = ask("k", other.to_string())
        .await
        .refused(409, "idempotency_key_taken");
    assert!(
        said.contains(first["run"]["id"].as_str().expect("an id")),
        "{said}"
    );
    assert_eq!(ask("l", other.to_string()).await.status, 201);
    assert_eq!(
        server.post_json("/runs", &body).await.status,
        201,
        "without a key each is its own"
    );
    for bad in ["", &"k".repeat(256)] {
        ask(bad, body.to_string())
            .await
            .refused(400, "invalid_header");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_repeats_at_the_same_time_make_one_run() {
    let server = Server::idle().await;
    let body = server.body();
    let asks = (0..8).map(|_| {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("idempotency-key", "same")
            .json(&body);
        tokio::spawn(ask.send())
    });
    let mut ids = std::collections::BTreeSet::new();
    let mut made = 0;
    for ask in asks.collect::<Vec<_>>() {
        let reply = ask.await.expect("no panic");
        made += usize::from(reply.status == 201);
        ids.insert(reply.ok()["run"]["id"].to_string());
    }
    assert_eq!((ids.len(), made), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_other_requests_with_one_key_at_the_same_time_one_is_served() {
    let server = Server::idle().await;
    let asks = (0..8).map(|n| {
        let mut body = server.body();
        body["name"] = format!("wish {n}").into();
        let ask = server
            .ask(Method::POST, "/runs")
            .header("idempotency-key", "same")
            .json(&body);
        tokio::spawn(ask.send())
    });
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for ask in asks.collect::<Vec<_>>() {
        let reply = ask.await.expect("no panic");
        match reply.status.as_u16() {
            201 => made.push(reply.ok()["run"]["id"].clone()),
            _ => refused.push(reply.refused(409, "idempotency_key_taken")),
        }
    }
    let [id] = made.as_slice() else {
        panic!("{made:?}")
    };
    let id = id.as_str().expect("an id");
    assert!(
        refused.len() == 7 && refused.iter().all(|said| said.contains(id)),
        "{refused:?}"
    );
    let runs = server.get("/runs").await.ok()["runs"].clone();
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
}
