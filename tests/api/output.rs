//! The output of a run, while it is written and afterwards, from every place on.

use std::path::PathBuf;
use std::process::Command;

use agent_loop::cli::client::sse::Message;
use agent_loop::core::run::State;
use hyper::Method;
use serde_json::json;

use super::http::{Stream, data};
use super::server::Server;
use crate::pipeline::collecting::collect;

fn text(messages: &[Message]) -> String {
    messages
        .iter()
        .map(|it| data(it)["text"].as_str().expect("text").to_owned())
        .collect()
}

/// A pipe with a name: who reads it waits for the test.
fn pipe(server: &Server) -> PathBuf {
    let path = server.repo.outside().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    path
}

async fn say(pipe: &std::path::Path, line: &'static str) {
    let pipe = pipe.to_owned();
    let said = tokio::task::spawn_blocking(move || std::fs::write(pipe, line));
    said.await.expect("no panic").expect("said");
}

/// Reads until this text has come, which has to be all that comes.
async fn hear(stream: &mut Stream, want: &str) -> Message {
    let mut heard = String::new();
    loop {
        let message = stream.next().await.expect("an open stream");
        heard.push_str(data(&message)["text"].as_str().expect("text"));
        assert!(want.starts_with(&heard), "{heard:?}");
        if heard == want {
            return message;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_writes_is_sent_while_it_still_works() {
    let server = Server::with_slots(1).await;
    let pipe = pipe(&server);
    let script = format!(
        "printf 'begun\\nhalf'; while read line < {}; do echo \" $line\"; done",
        pipe.display()
    );
    let settings = json!({
        "agent": "talker", "reviewer": false,
        "agents": { "talker": { "driver": "exec", "command": "/bin/sh", "args": ["-c", script] } },
    });
    let id = server.house.create(&server.repo, None, settings).await;
    let path = format!("/runs/{id}/output");
    let mut transcript = server.stream(&path).await;
    let mut raw = server.stream(&format!("{path}?format=raw")).await;
    let first = hear(&mut transcript, "begun\n").await;
    assert_eq!(data(&first)["phase"], "implementation");
    assert_eq!(
        (&data(&first)["offset"], first.id.ends_with(":6")),
        (&json!(0), true),
        "{}",
        first.id
    );
    hear(&mut raw, "begun\nhalf").await;
    say(&pipe, "a line\n").await;
    let second = hear(&mut transcript, "half a line\n").await;
    hear(&mut raw, " a line\n").await;
    drop(transcript);
    say(&pipe, "while away\n").await;
    hear(&mut raw, " while away\n").await;
    let again = server
        .ask(Method::GET, &path)
        .header("last-event-id", &second.id);
    let mut again = again.stream().await;
    hear(&mut again, " while away\n").await;
    server.post(&format!("/runs/{id}/cancel")).await.ok();
    assert!(
        again.rest().await.is_empty(),
        "closed once the run has ended and its step is gone"
    );
    assert!(raw.rest().await.is_empty());
    assert_eq!(server.state(&id.0).await, "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_a_whole_run_is_the_same_live_afterwards_and_from_every_place() {
    let server = Server::with_slots(1).await;
    let settings = json!({ "verify_cmds": ["printf one", "true", "printf 'thr\\303\\251e\\n'"] });
    let id = server.house.create(&server.repo, None, settings).await;
    let path = format!("/runs/{id}/output");
    let live = server.stream(&path).await.rest().await;
    let run = server.house.rest(&id).await;
    assert_eq!(
        run.state,
        State::Completed,
        "{}",
        server.house.story(&id).await
    );
    let after = server
        .stream(&format!("{path}?follow=false"))
        .await
        .rest()
        .await;
    assert_eq!(text(&live), text(&after));
    let phases: Vec<String> = after
        .iter()
        .map(|it| data(it)["phase"].to_string())
        .collect();
    for phase in ["implementation", "review", "verification"] {
        assert!(phases.contains(&format!("{phase:?}")), "{phases:?}");
    }
    let checks: Vec<Message> = after
        .iter()
        .filter(|it| data(it)["phase"] == "verification")
        .cloned()
        .collect();
    assert!(
        text(&checks).starts_with("onethrée\n"),
        "{:?}",
        text(&checks)
    );
    for (at, message) in after.iter().chain(&live).enumerate() {
        let rest = server
            .ask(Method::GET, &format!("{path}?follow=true"))
            .header("last-event-id", &message.id);
        let rest = rest.stream().await.rest().await;
        let before = if at < after.len() {
            &after[..=at]
        } else {
            &live[..=at - after.len()]
        };
        assert_eq!(
            text(before) + &text(&rest),
            text(&after),
            "from {}",
            message.id
        );
    }
    let raw = server
        .stream(&format!("{path}?format=raw&follow=false"))
        .await
        .rest()
        .await;
    assert!(text(&raw).contains("\"type\":"), "the agent's own words");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_wrote_is_read_in_its_own_language_also_after_another_took_over() {
    let server = Server::with_slots(1).await;
    let first = "[[turn]]\nsteps = [{ say = 'I am the first.' }, { limit = {} }]\n";
    let first = server.repo.beside("first.toml", first);
    let settings = json!({
        "on_usage_limit": "fallback",
        "fallback_agent": "second",
        "agent_retries": 0,
        "agents": {
            "scripted": { "driver": "scripted", "args": [first] },
            "second": { "command": "/bin/sh", "args": ["-c", "echo I am the second.; exit 3"] },
        },
    });
    let id = server.house.create(&server.repo, None, settings).await;
    server.house.failed(&id, "agent_failed").await;
    let path = format!("/runs/{id}/output?follow=false");
    let told = text(&server.stream(&path).await.rest().await);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.contains(&"I am the first."), "{told}");
    assert!(lines.contains(&"I am the second."), "{told}");
    assert!(!told.contains("\"type\":"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_outlives_the_worktree_and_what_the_clean_up_took_is_refused_in_words() {
    let server = Server::with_slots(1).await;
    let settings = json!({ "verify_cmds": ["echo checked"] });
    let id = server.house.create(&server.repo, None, settings).await;
    server.house.rests(&id, State::Completed).await;
    assert!(server.house.settled(&id).await.facts.worktree_removed);
    let path = format!("/runs/{id}/output");
    let quiet = format!("{path}?follow=false");
    let told = text(&server.stream(&quiet).await.rest().await);
    assert!(told.contains("checked"), "{told}");
    let listed = async || {
        let all = server.get(&format!("/runs/{id}/artifacts")).await.ok();
        let all = all["artifacts"].as_array().cloned().expect("a list");
        let place = |it: &serde_json::Value| it["path"].as_str().map(PathBuf::from);
        let paths: Vec<PathBuf> = all.iter().filter_map(place).collect();
        assert!(paths.iter().all(|it| it.is_file()), "{paths:?}");
        paths.len()
    };
    let before = listed().await;
    assert!(collect(&server.house, false).await.files);
    for path in [path, quiet] {
        let said = server.get(&path).await.refused(409, "files_removed");
        assert!(said.contains(&id.0) && said.contains("clean-up"), "{said}");
    }
    assert_eq!(listed().await * 2, before, "the copies in the workspace");
    for rest in ["", "/steps", "/diff", "/why", "/events?follow=false"] {
        let reply = server.get(&format!("/runs/{id}{rest}")).await;
        assert_eq!(reply.status, 200, "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_not_begun_has_nothing_and_a_follower_waits() {
    let server = Server::idle().await;
    let id = server.create("early").await;
    let path = format!("/runs/{id}/output");
    assert!(
        server
            .stream(&format!("{path}?follow=false"))
            .await
            .rest()
            .await
            .is_empty()
    );
    let follower = server.stream(&path).await;
    server.post(&format!("/runs/{id}/cancel")).await.ok();
    assert!(follower.rest().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_another_run_or_in_no_run_is_refused() {
    let server = Server::idle().await;
    let id = server.create("mine").await;
    let other = server.create("other").await;
    let places = [
        "17".to_owned(),
        format!("{id}:1"),
        format!("{id}.1:1"),
        format!("{other}.0:0"),
        format!("{id}.0:-1"),
        "../../token:0".to_owned(),
        format!("{id}.../../../token:0"),
    ];
    for place in places {
        let path = format!("/runs/{id}/output?after={}", place.replace('/', "%2F"));
        server.get(&path).await.refused(422, "invalid_place");
        let ask = server
            .ask(Method::GET, &format!("/runs/{id}/output"))
            .header("last-event-id", &place);
        ask.send().await.refused(422, "invalid_place");
    }
}
