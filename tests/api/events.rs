//! The stream of events: nothing twice, nothing missing, whoever reads slowly, leaves and comes back.

use agent_loop::core::run::Event;
use hyper::Method;
use serde_json::json;

use super::http::{Stream, data};
use super::server::{Server, run_id};
use crate::support::RESUME;

/// Makes at least so many events, by pausing and resuming a run of its own.
async fn noise(server: &Server, name: &str, events: usize) -> String {
    let id = server.create(name).await;
    let run = run_id(&id);
    for _ in 0..events.div_ceil(4) {
        let _ = server.house.operate(&run, Event::Pause).await;
        let _ = server.house.operate(&run, RESUME).await;
    }
    id
}

async fn stored(server: &Server) -> Vec<u64> {
    let events = server
        .house
        .reader
        .events(None, 0, 1_000_000)
        .await
        .expect("readable");
    events.iter().map(|event| event.seq).collect()
}

fn numbers(messages: &[agent_loop::cli::client::sse::Message]) -> Vec<u64> {
    messages
        .iter()
        .map(|message| message.id.parse().expect("a number"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_the_event_with_its_number_and_its_type() {
    let server = Server::idle().await;
    let id = server.create("told").await;
    let mut stream = server.stream("/events").await;
    let first = stream.next().await.expect("an event");
    assert_eq!(
        (first.id.as_str(), first.event.as_str()),
        ("1", "RUN_CREATED")
    );
    let event = data(&first);
    assert_eq!(
        (&event["seq"], &event["type"], &event["run_id"]),
        (&json!(1), &json!("RUN_CREATED"), &json!(id))
    );
    assert_eq!(event["payload"], json!({ "name": "told" }));
    assert!(
        event["at"]
            .as_str()
            .is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()),
        "{event}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_client_listens_comes_without_being_asked_for() {
    let server = Server::idle().await;
    let id = server.create("live").await;
    let mut stream = server.stream(&format!("/runs/{id}/events")).await;
    let other = server.create("other").await;
    server.post(&format!("/runs/{id}/pause")).await.ok();
    let paused = async {
        loop {
            let message = stream.next().await.expect("an open stream");
            assert_ne!(data(&message)["run_id"], json!(other), "only of its run");
            if message.event == "RUN_PAUSED" {
                return;
            }
        }
    };
    paused.await;
    let ended = server
        .stream(&format!("/runs/{id}/events?follow=false"))
        .await
        .rest()
        .await;
    assert_eq!(ended.last().map(|it| it.event.as_str()), Some("RUN_PAUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_and_comes_back_again_and_again_misses_nothing_and_hears_nothing_twice()
 {
    let server = Server::idle().await;
    noise(&server, "before", 300).await;
    let (mut seen, mut round) = (Vec::new(), 0);
    let writing = async {
        for n in 0..6 {
            noise(&server, &format!("during-{n}"), 40).await;
        }
        let last = stored(&server).await;
        last.into_iter().max().expect("events")
    };
    let reading = async {
        loop {
            round += 1;
            let last = seen.last().copied().unwrap_or(0_u64);
            // Now by the header, now by the query; the header wins.
            let mut stream = if round % 2 == 0 {
                let ask = server
                    .ask(Method::GET, "/events?after=0")
                    .header("last-event-id", &last.to_string());
                ask.stream().await
            } else {
                server.stream(&format!("/events?after={last}")).await
            };
            for _ in 0..37 {
                let message = stream.next().await.expect("an open stream");
                seen.push(message.id.parse().expect("a number"));
                if seen.len() >= 500 {
                    return seen;
                }
            }
        }
    };
    let (last, seen) = tokio::join!(writing, reading);
    assert!(last >= 500);
    let want: Vec<u64> = stored(&server).await.into_iter().take(seen.len()).collect();
    assert!(seen == want, "something is missing, or came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_nobody_and_gets_everything_in_the_end() {
    let server = Server::idle().await;
    let mut slow = server.stream("/events?follow=true").await;
    noise(&server, "a lot", 4000).await;
    let all = stored(&server).await;
    let quick = server.stream("/events?follow=false").await.rest().await;
    // The gates of the queue may have been told since.
    assert!(numbers(&quick).starts_with(&all), "{} events", quick.len());
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < all.len() {
        let message = slow.next().await.expect("an open stream");
        seen.push(message.id.parse().expect("a number"));
    }
    assert!(seen == all, "something is missing, or came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_ends_when_the_daemon_does_even_one_that_nobody_reads() {
    let server = Server::idle().await;
    let id = noise(&server, "a lot", 2000).await;
    let idle: Vec<Stream> = vec![
        server.stream("/events?after=999999").await,
        server
            .stream(&format!("/runs/{id}/events?after=999999"))
            .await,
        server.stream(&format!("/runs/{id}/output")).await,
    ];
    let unread = server.stream("/events").await;
    server.shutdown.cancel();
    for stream in idle {
        assert!(stream.rest().await.is_empty());
    }
    server.stop().await;
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_none_is_refused_and_named() {
    let server = Server::idle().await;
    for bad in [
        "x",
        "-1",
        "1.5",
        "",
        "99999999999999999999",
        "9223372036854775808",
    ] {
        let said = server
            .get(&format!("/events?after={bad}"))
            .await
            .refused(422, "invalid_place");
        assert!(said.starts_with("after"), "{said}");
        if !bad.is_empty() {
            let ask = server
                .ask(Method::GET, "/events?after=0")
                .header("last-event-id", bad);
            let said = ask.send().await.refused(422, "invalid_place");
            assert!(said.starts_with("Last-Event-ID"), "{said}");
        }
    }
}

/// The place of a run's stream goes on with what others are told; the next event of its own may be the very next one.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_of_a_run_after_those_of_others_is_not_passed_over() {
    let server = Server::idle().await;
    let id = server.create("quiet").await;
    noise(&server, "loud", 8).await;
    // Whoever listens first begins what is shared at the last event there is.
    let mut all = server.stream("/events?follow=false").await;
    while all.next().await.is_some() {}
    let mut own = server.stream(&format!("/runs/{id}/events")).await;
    let mut heard = Vec::new();
    // Created, queued, blocked.
    for _ in 0..3 {
        heard.push(own.next().await.expect("an event"));
    }
    // It has looked at everything: the page behind its own events is empty.
    let replay = |id: &str| format!("/runs/{id}/events?follow=false");
    assert_eq!(server.stream(&replay(&id)).await.rest().await, heard);
    let paused = server.house.operate(&run_id(&id), Event::Pause).await;
    drop(paused);
    let stored = server.stream(&replay(&id)).await.rest().await;
    while numbers(&heard).last() != numbers(&stored).last() {
        heard.push(own.next().await.expect("an event"));
    }
    assert_eq!(numbers(&heard), numbers(&stored));
}
