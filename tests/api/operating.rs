//! A person's events: the table's answers, word for word, and true ones when many ask at the same time.

use agent_loop::core::machine::Cell;
use agent_loop::core::run::{EventName, State, cell};
use hyper::Method;
use serde_json::json;

use super::server::{Server, run_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_a_repeat_of_what_holds_are_both_answered_with_the_run() {
    let server = Server::idle().await;
    let id = server.create("moved").await;
    for (verb, state) in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "queued"),
        ("resume", "queued"),
        ("cancel", "canceled"),
        ("cancel", "canceled"),
        ("retry", "queued"),
        ("retry", "queued"),
        ("pause", "paused"),
        ("reset", "queued"),
        ("reset", "queued"),
    ] {
        let reply = server.post(&format!("/runs/{id}/{verb}")).await;
        assert_eq!(reply.status, 200, "{verb}");
        let run = reply.ok()["run"].clone();
        assert_eq!(run["state"], state, "{verb}");
        assert_eq!(server.state(&id).await, state, "{verb}");
    }
    server.house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_the_tables_and_says_what_is_possible() {
    let server = Server::idle().await;
    let id = server.create("refused").await;
    server.post(&format!("/runs/{id}/pause")).await.ok();
    let Cell::Refused(why) = cell(State::Paused, EventName::Retry) else {
        panic!("the table has changed");
    };
    let said = server
        .post(&format!("/runs/{id}/retry"))
        .await
        .refused(409, "refused");
    assert!(
        said.contains(why) && said.contains("possible now: resume, cancel, reset"),
        "{said}"
    );
    server.post(&format!("/runs/{id}/cancel")).await.ok();
    let said = server
        .post(&format!("/runs/{id}/resume"))
        .await
        .refused(409, "refused");
    assert!(
        said.contains("the run has ended") && said.contains("retry, reset"),
        "{said}"
    );
    assert_eq!(server.state(&id).await, "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_left_out_and_are_checked_when_they_are_there() {
    let server = Server::idle().await;
    let id = server.create("bodies").await;
    let path = |verb: &str| format!("/runs/{id}/{verb}");
    server.post_json(&path("pause"), &json!({})).await.ok();
    let note = json!({ "accept": true, "note": "the schema is in docs/" });
    server.post_json(&path("resume"), &note).await.ok();
    assert_eq!(
        server
            .house
            .run(&run_id(&id))
            .await
            .facts
            .notes
            .operator
            .as_deref(),
        Some("the schema is in docs/")
    );
    server.post(&path("cancel")).await.ok();
    server
        .post_json(&path("retry"), &json!({ "merge_strategy": "none" }))
        .await
        .ok();
    let run = server.get(&format!("/runs/{id}")).await.ok();
    assert_eq!(run["run"]["worktree"]["merge_strategy"], "none");
    for (verb, body, named) in [
        ("pause", json!({ "force": true }), "force"),
        ("resume", json!({ "acept": true }), "acept"),
        ("resume", json!({ "accept": "yes" }), "accept"),
        ("resume", json!({ "note": "x".repeat(20_000) }), "note"),
        ("resume", json!({ "note": "a\u{0}b" }), "note"),
        (
            "retry",
            json!({ "merge_strategy": "force" }),
            "merge_strategy",
        ),
        ("reset", json!([1]), "body"),
    ] {
        let said = server
            .post_json(&path(verb), &body)
            .await
            .refused(422, "invalid_body");
        assert!(said.contains(named), "{verb} {body}: {said}");
    }
    assert_eq!(server.state(&id).await, "queued");
    server
        .post("/runs/nobody/pause")
        .await
        .refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_get_true_replies_and_leave_a_run_that_the_table_explains() {
    let server = Server::idle().await;
    let id = server.create("contested").await;
    let verbs = [
        "pause", "resume", "cancel", "retry", "reset", "pause", "resume", "resume",
    ];
    let clients = (0..16).map(|client| {
        let asks: Vec<_> = (0..12)
            .map(|turn| {
                let verb = verbs[(client * 5 + turn * 3) % verbs.len()];
                (
                    verb,
                    server.ask(Method::POST, &format!("/runs/{id}/{verb}")),
                )
            })
            .collect();
        tokio::spawn(async move {
            let mut replies = Vec::new();
            for (verb, ask) in asks {
                replies.push((verb, ask.send().await));
            }
            replies
        })
    });
    let (mut accepted, mut refused) = (0, 0);
    for client in clients.collect::<Vec<_>>() {
        for (verb, reply) in client.await.expect("no panic") {
            let event: EventName = verb.parse().expect("an event");
            if reply.status == 200 {
                accepted += 1;
                continue;
            }
            let said = reply.refused(409, "refused");
            let cells = State::ALL.iter().map(|state| cell(*state, event));
            let explained = cells.filter_map(|it| match it {
                Cell::Refused(why) => Some(why),
                Cell::Moves(_) | Cell::Ignored(_) => None,
            });
            assert!(
                explained.into_iter().any(|why| said.contains(why)),
                "{verb}: {said}"
            );
            refused += 1;
        }
    }
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
    // What was told is one chain of declared moves that ends where the run is.
    let told = server.house.told(&run_id(&id), "RUN_STATE_CHANGED").await;
    let mut at = json!("queued");
    for change in &told {
        assert_eq!(change["from"], at, "{told:?}");
        at = change["to"].clone();
    }
    assert_eq!(json!(server.state(&id).await), at);
    server.house.check().await;
}
