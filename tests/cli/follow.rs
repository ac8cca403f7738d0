//! `tail -f` and `events -f`: streams that resume after a broken connection, and end when the run has ended.

use serde_json::json;

use super::fake::{Fake, RUN, broken_stream, event, events, http, raw, refusal, reply, run};
use super::loopctl::User;

fn health() -> Vec<u8> {
    http("200 OK", r#"{"service":"loopd","version":"0.1.0"}"#)
}

fn stream(text: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    format!("{head}{text}").into_bytes()
}

fn ended_run(state: &str, status: &str) -> Vec<u8> {
    http("200 OK", &json!({ "run": run(state, status) }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_follow_asks_for_what_there_is() {
    let fake = Fake::start(|_| events(event(1, "RUN_CREATED", RUN, json!({ "a": "b" })))).await;
    let ended = User::new()
        .at(&fake.addr, &["events", "login", "--after", "0"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        ended.out,
        "2026-11-20 10:00:00  1f09a2c4  RUN_CREATED  a=b\n"
    );
    assert_eq!(
        fake.asked()[0].uri,
        "/runs/login/events?after=0&follow=false"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_is_resumed_after_the_last_event() {
    let first = event(41, "STEP_STARTED", RUN, json!({}));
    let last = event(42, "RUN_COMPLETED", RUN, json!({}));
    let (addr, seen) = raw(vec![
        health(),
        broken_stream(&first),
        http("503 Service Unavailable", "{}"),
        stream(&last),
        ended_run("completed", "COMPLETED"),
    ])
    .await;
    let ended = User::new().at(&addr, &["events", "-f", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    assert!(ended.err.contains("the stream broke"), "{}", ended.err);
    let seen = seen.lock().expect("not poisoned");
    assert!(!seen[1].contains("last-event-id"), "{}", seen[1]);
    for again in [&seen[2], &seen[3]] {
        assert!(again.contains("last-event-id: 41\r\n"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_named_no_place_is_resumed_from_none() {
    let first = event(41, "STEP_STARTED", RUN, json!({})).replace("id: 41\n", "");
    let last = event(42, "RUN_COMPLETED", RUN, json!({}));
    let (addr, seen) = raw(vec![
        health(),
        broken_stream(&first),
        stream(&last),
        ended_run("completed", "COMPLETED"),
    ])
    .await;
    let ended = User::new().at(&addr, &["events", "-f", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    let seen = seen.lock().expect("not poisoned");
    assert!(!seen[2].contains("last-event-id"), "{}", seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_earlier_life_is_not_the_end() {
    let early = event(1, "RUN_FAILED", RUN, json!({})).replace("T10:00", "T09:30");
    let late = event(9, "RUN_COMPLETED", RUN, json!({ "mode": "trailing" }));
    let fake = Fake::start(move |seen| match seen.uri.ends_with("/events") {
        true => events(format!("{early}{late}")),
        false => reply(200, &json!({ "run": run("completed", "COMPLETED") })),
    });
    let fake = fake.await;
    let ended = User::new().at(&fake.addr, &["events", "-f", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("RUN_COMPLETED  mode=trailing"),
        "{}",
        ended.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_not_tried_again() {
    let fake = Fake::start(|_| refusal(404, "not_found", "no run is called x", "")).await;
    let ended = User::new().at(&fake.addr, &["tail", "-f", "x"]).await;
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("failed to read the output of run x: no run is called x"),
        "{}",
        ended.err
    );
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_stream_is_not_taken_for_one() {
    let fake = Fake::start(|_| reply(202, &json!({ "accepted": true }))).await;
    let ended = User::new().at(&fake.addr, &["events"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    let said = "it answers 202 Accepted to a request for events";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_closed_behind_the_end_of_its_run_is_the_end() {
    // The end itself was told before the place from which the events were asked for.
    let late = event(9, "WORKTREE_REMOVED", RUN, json!({ "path": "/w" }));
    let fake = Fake::start(move |seen| match seen.uri.contains("/events") {
        true if seen.header("last-event-id").is_some() => refusal(404, "not_found", "again", ""),
        true => events(late.clone()),
        false => reply(200, &json!({ "run": run("completed", "COMPLETED") })),
    });
    let fake = fake.await;
    let asked = ["events", "-f", "login", "--after", "8"];
    let ended = User::new().at(&fake.addr, &asked).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("WORKTREE_REMOVED"), "{}", ended.out);
}

fn chunk(step: &str, offset: u64, text: &str) -> String {
    let data = json!({ "step_id": step, "phase": "review", "offset": offset, "text": text });
    let end = offset + text.len() as u64;
    format!("id: {step}:{end}\ndata: {data}\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_the_text_with_a_heading_for_each_step_and_resumes_by_offset() {
    let other = "019ab000-0000-7000-8000-0000deadbeef";
    let (addr, seen) = raw(vec![
        health(),
        broken_stream(&chunk(RUN, 0, "one\ntw\u{1b}[3")),
        stream(&format!(
            "{}{}",
            chunk(RUN, 9, "1mo\n"),
            chunk(other, 0, "three")
        )),
        ended_run("failed", "FAILED"),
    ])
    .await;
    let ended = User::new().at(&addr, &["tail", "-f", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        ended.out,
        "── review 1f09a2c4 ──\none\ntwo\n── review deadbeef ──\nthree"
    );
    let seen = seen.lock().expect("not poisoned");
    assert!(
        seen[2].contains(&format!("last-event-id: {RUN}:9\r\n")),
        "{}",
        seen[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_in_json_is_one_object_a_line() {
    let fake = Fake::start(|_| events(chunk(RUN, 0, "a\n"))).await;
    let ended = User::new()
        .at(&fake.addr, &["tail", "login", "--json"])
        .await;
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
    assert!(ended.out.contains(r#""text":"a\n""#), "{}", ended.out);
    assert_eq!(fake.asked()[0].uri, "/runs/login/output?follow=false");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_daemon_closes_is_taken_up_again_while_the_run_goes_on() {
    let (addr, seen) = raw(vec![
        health(),
        stream(&chunk(RUN, 0, "one\n")),
        ended_run("running", "RUNNING"),
        stream(&chunk(RUN, 4, "two\n")),
        ended_run("failed", "FAILED"),
    ])
    .await;
    let ended = User::new().at(&addr, &["tail", "-f", "-q", "login"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, "one\ntwo\n");
    let again = &seen.lock().expect("not poisoned")[3];
    assert!(
        again.contains(&format!("last-event-id: {RUN}:4\r\n")),
        "{again}"
    );
}
