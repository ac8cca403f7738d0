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
        // What holds it again is said at once.
        if state == "queued" {
            assert_eq!(run["hold"]["gate"], "global_cap", "{verb}");
        }
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
        ("postmortem", json!({ "again": true }), "again"),
    ] {
        let said = server
            .post_json(&path(verb), &body)
            .await
            .refused(422, "invalid_body");
        assert!(said.contains(named), "{verb} {body}: {said}");
    }
    assert_eq!(server.state(&id).await, "queued");
    for verb in ["pause", "postmortem"] {
        let path = format!("/runs/nobody/{verb}");
        server.post(&path).await.refused(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postmortem_is_of_an_ended_run_and_a_repeat_is_the_same() {
    let server = Server::idle().await;
    let id = server.create("explained").await;
    let path = format!("/runs/{id}/postmortem");
    let said = server.post(&path).await.refused(409, "refused");
    assert!(
        said.contains("analyze of run") && said.contains("the run has not ended"),
        "{said}"
    );
    server.post(&format!("/runs/{id}/cancel")).await.ok();
    let asked = server.post(&path).await.ok()["run"].clone();
    assert_eq!(asked["state"], "canceled");
    assert!(asked["postmortem"]["began_at"].is_string(), "{asked}");
    let run = server.house.settled(&run_id(&id)).await;
    assert!(run.facts.postmortem.is_some_and(|it| it.end.is_some()));
    let run = server.get(&format!("/runs/{id}")).await.ok()["run"].clone();
    let postmortem = &run["postmortem"];
    assert!(postmortem["ended_at"].is_string(), "{run}");
    // It never began: there is nothing to explain.
    assert_eq!(postmortem["written"], false);
    assert_eq!(postmortem["failure"], json!(null));
}

/// What became of one wish.
struct Reply {
    verb: &'static str,
    run: String,
    reply: super::http::Reply,
}

/// Asks until there is room for the request; to be told that there is none is a true answer, too.
async fn insist(ask: impl Fn() -> super::http::Ask) -> super::http::Reply {
    loop {
        let reply = ask().send().await;
        if reply.status != 503 {
            return reply;
        }
        reply.refused(503, "busy");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_at_once_get_true_replies_and_leave_runs_that_the_table_explains() {
    let server = std::sync::Arc::new(Server::idle().await);
    let mut runs = Vec::new();
    for name in ["one", "two", "three"] {
        runs.push(server.create(name).await);
    }
    let verbs = [
        "pause", "resume", "cancel", "retry", "reset", "pause", "resume", "resume",
    ];
    let clients = (0..100).map(|client: usize| {
        let (server, runs) = (std::sync::Arc::clone(&server), runs.clone());
        tokio::spawn(async move {
            let mut replies = Vec::new();
            for turn in 0..6 {
                let verb = verbs[(client * 5 + turn * 3) % verbs.len()];
                let run = runs[(client + turn) % runs.len()].clone();
                let path = format!("/runs/{run}/{verb}");
                let reply = insist(|| server.ask(Method::POST, &path)).await;
                replies.push(Reply { verb, run, reply });
            }
            replies
        })
    });
    let mut replies = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        replies.extend(client.await.expect("no panic"));
    }
    for id in &runs {
        // What was told is one chain of declared moves that ends where the run is.
        let told = server.house.told(&run_id(id), "RUN_STATE_CHANGED").await;
        let mut at = json!("queued");
        let mut states = vec![(1, at.clone())];
        for change in &told {
            assert_eq!(change["from"], at, "{told:?}");
            at = change["to"].clone();
            states.push((change["rev"].as_u64().expect("a rev"), at.clone()));
        }
        assert_eq!(json!(server.state(id).await), at);
        let (mut accepted, mut refused) = (0, 0);
        for Reply { verb, reply, .. } in replies.iter().filter(|it| it.run == *id) {
            let event: EventName = verb.parse().expect("an event");
            if reply.status == 200 {
                accepted += 1;
                let run = reply.json()["run"].clone();
                let rev = run["rev"].as_u64().expect("a rev");
                let then = states.iter().rev().find(|(since, _)| *since <= rev);
                assert_eq!(
                    Some(&run["state"]),
                    then.map(|(_, state)| state),
                    "{verb} at {rev}: {told:?}"
                );
                let wanted = match *verb {
                    "pause" => "paused",
                    "cancel" => "canceled",
                    _ => "queued",
                };
                assert_eq!(run["state"], wanted, "{verb}");
                continue;
            }
            // Refused in the words of the table, for the very state that the reply names.
            let said = reply.refused(409, "refused");
            let named = State::ALL.iter().find(|state| {
                let been = states
                    .iter()
                    .any(|(_, known)| *known == json!(state.as_str()));
                been && said.contains(&format!("the run is {state};"))
            });
            let Some(Cell::Refused(why)) = named.map(|state| cell(*state, event)) else {
                panic!("{verb}: {said}");
            };
            assert!(said.contains(why), "{verb}: {said}");
            refused += 1;
        }
        assert!(
            accepted > 0 && refused > 0,
            "{accepted} accepted, {refused} refused"
        );
    }
    server.house.check().await;
}
