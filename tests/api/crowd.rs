//! Very many clients at once: all hear everything, once, and no more are served than there is room for.

use agent_loop::core::run::Event;
use futures_util::future::join_all;
use hyper::Method;

use super::http::Stream;
use super::server::{Server, run_id};
use crate::support::{RESUME, not_tried};

/// Clients that listen at the same time.
const CROWD: usize = 1000;

/// This process holds both ends of every connection. False, and said loudly, where the system does not allow so many.
fn room_for(connections: usize) -> bool {
    // Two ends each, and what else the suite has open.
    let wanted = 2 * connections as u64 + 4096;
    let open = agent_loop::effect::raise_descriptors(wanted);
    if open < wanted {
        not_tried(
            "a crowd",
            &format!("{open} open files are allowed (`ulimit -Hn`), {wanted} are wanted"),
        );
    }
    open >= wanted
}

async fn listen(server: &Server, places: impl Iterator<Item = String>) -> Vec<Stream> {
    let mut all = Vec::new();
    let places: Vec<String> = places.collect();
    // As many at a time as the queue of the listener takes.
    for some in places.chunks(50) {
        all.extend(join_all(some.iter().map(|place| server.stream(place))).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_listen_hear_every_event_once_and_in_order() {
    if !room_for(CROWD) {
        return;
    }
    let server = Server::idle().await;
    let first = server.create("first").await;
    let second = server.create("second").await;
    // From the beginning, from the middle, of one run alone, from what is still to come.
    let last = server.house.reader.last_event().await.expect("readable");
    let place = |n: usize| match n % 4 {
        0 => "/events".to_owned(),
        1 => format!("/events?after={}", last - 1),
        2 => format!("/runs/{second}/events"),
        _ => format!("/events?after={last}"),
    };
    let crowd = listen(&server, (0..CROWD).map(place)).await;
    let one = run_id(&first);
    for _ in 0..10 {
        let _ = server.house.operate(&one, Event::Pause).await;
        let _ = server.house.operate(&one, RESUME).await;
        server.post(&format!("/runs/{second}/pause")).await.ok();
        server.post(&format!("/runs/{second}/resume")).await.ok();
    }
    server.post(&format!("/runs/{second}/cancel")).await.ok();
    let stored = server.house.reader.events(None, 0, 100_000).await;
    let stored = stored.expect("readable");
    let end = stored.iter().rfind(|event| event.run_id.0 == second);
    let end = end.expect("events of the second run").seq;
    let told = crowd.into_iter().enumerate().map(|(n, mut stream)| {
        let expected: Vec<u64> = stored
            .iter()
            .filter(|event| match n % 4 {
                0 => true,
                1 => event.seq > last - 1,
                2 => event.run_id.0 == second,
                _ => event.seq > last,
            })
            .map(|event| event.seq)
            .filter(|seq| *seq <= end)
            .collect();
        async move {
            let mut heard: Vec<u64> = Vec::new();
            while heard.last() != Some(&end) {
                let message = stream.next().await.expect("an open stream");
                heard.push(message.id.parse().expect("a number"));
            }
            assert_eq!(heard, expected, "listener {n}");
        }
    });
    join_all(told).await;
    server.get("/queue").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_served_than_there_is_room_for_and_room_comes_back() {
    // What is promised, and a few who come in vain.
    if !room_for(1300) {
        return;
    }
    let server = Server::idle().await;
    let mut open = listen(&server, (0..CROWD).map(|_| "/events".to_owned())).await;
    let refused = loop {
        let ask = server.ask(Method::GET, "/events");
        match ask.try_stream().await {
            Ok(stream) => open.push(stream),
            Err(refused) => break refused,
        }
    };
    refused.refused(503, "too_many_streams");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(open.len(), 1200);
    // Requests find room beside the streams.
    server.get("/queue").await.ok();
    drop(open);
    // Each that was dropped is noticed when its connection is; then there is room again.
    loop {
        if server.get("/events?follow=false").await.status == 200 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_runs_too_fast_is_told_to_wait_and_nobody_else_is() {
    let server = Server::idle().await;
    let wrong = serde_json::json!({ "no": "run" });
    let refused = loop {
        let asked = join_all((0..16).map(|_| server.post_json("/runs", &wrong))).await;
        if let Some(late) = asked.into_iter().find(|reply| reply.status == 429) {
            break late;
        }
    };
    refused.refused(429, "too_fast");
    assert!(refused.headers.contains_key("retry-after"));
    server.get("/runs").await.ok();
    server.get("/queue").await.ok();
}
