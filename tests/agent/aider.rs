//! What aider prints: it has no events, so that its lines are told apart by their words. Agents that tell events are in
//! `dialects`.

use agent_loop::agent::{Dialect, Event, Fault, Reset, ResultClass};

use super::dialects::{report, said, used};

#[test]
fn what_aider_says_after_an_answer_is_no_answer() {
    let head = ["Aider v1", ""];
    let answer = |text: &'static str| {
        [
            text,
            "Tokens: 1.5M sent, 2,500 received. Cost: $0.25 message, $0.75 session.",
        ]
    };
    let lines = [
        &head[..],
        &answer("one"),
        &["Applied edit to a.rs"],
        &answer("two"),
        &["Commit 1234567 two", "by the way"],
    ]
    .concat();
    let told = report(Dialect::Aider, &lines);
    assert_eq!(told.final_message, "two");
    assert_eq!(told.usage, used(3_000_000, 5_000, Some(0.5)));
}

#[test]
fn aiders_errors_are_told_one_by_one_and_bounded() {
    let head = ["Aider v1", ""];
    let two = ["litellm.APIError: one", "litellm.AuthenticationError: two"];
    let told = report(Dialect::Aider, &[&head[..], &two].concat());
    assert_eq!(told.class, ResultClass::Auth);
    assert!(!told.message.contains("one"), "{}", told.message);

    let waits = [
        "litellm.RateLimitError: slow down",
        "Retrying in 0.5 seconds...",
    ];
    let (events, _) = said(Dialect::Aider, &[&head[..], &waits].concat());
    let retry = events
        .iter()
        .find(|event| matches!(event, Event::Retry { .. }));
    assert_eq!(
        retry,
        Some(&Event::Retry {
            attempt: 0,
            delay_ms: 500,
            why: "litellm.RateLimitError: slow down".to_owned(),
            fault: Fault::Limited {
                reset: Reset::Unknown
            },
        })
    );

    let goes_on = ["the answer", "Tokens: 1 sent, 1 received."];
    let told = report(Dialect::Aider, &[&head[..], &waits, &goes_on].concat());
    assert_eq!(told.class, ResultClass::Done, "{}", told.message);
    assert_eq!(told.final_message, "the answer");

    let broken = ["half an answer", "litellm.AuthenticationError: two"];
    let told = report(Dialect::Aider, &[&head[..], &broken].concat());
    assert_eq!(told.class, ResultClass::Auth, "{}", told.message);
    assert_eq!(told.final_message, "half an answer");

    let long = ["and so on and so on"; 1000];
    let lines = [&head[..], &two[..1], &long].concat();
    let (events, _) = said(Dialect::Aider, &lines);
    let told = serde_json::to_string(&events).unwrap();
    assert!(told.len() < 5000, "{} bytes", told.len());
}
