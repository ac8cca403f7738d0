//! How a conversation is led: what is asked, permitted and refused, and how it ends.

use agent_loop::agent::acp::{Client, Order, Step};
use agent_loop::agent::{Dialect, Event, Exit};
use serde_json::Value;

use super::streams::parse;

pub(super) fn order() -> Order {
    Order {
        cwd: "/w".to_owned(),
        prompt: "p".to_owned(),
        resume: None,
        model: Some("m1".to_owned()),
    }
}

pub(super) fn message(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn permission_is_given_and_nothing_else_is_offered() {
    let (mut client, _) = Client::start(order());
    let step = client.take(&message(
        r#"{"id":"p1","method":"session/request_permission","params":{"options":[
            {"optionId":"no","kind":"reject_once"},{"optionId":"yes","kind":"allow_once"}]}}"#,
    ));
    assert_eq!(step.send[0]["id"], "p1");
    assert_eq!(step.send[0]["result"]["outcome"]["optionId"], "yes");

    let step = client.take(&message(
        r#"{"id":7,"method":"session/request_permission","params":{"toolCall":{"title":"rm"},"options":[]}}"#,
    ));
    assert_eq!(step.send[0]["result"]["outcome"]["outcome"], "cancelled");
    assert_eq!(
        step.events,
        [Event::Denied {
            what: "rm".to_owned()
        }]
    );

    let step = client.take(&message(
        r#"{"id":8,"method":"fs/read_text_file","params":{}}"#,
    ));
    assert_eq!(step.send[0]["error"]["code"], -32601);
}

/// A conversation that has come to its prompt.
pub(super) fn prompted(order: Order) -> Client {
    let (mut client, _) = Client::start(order);
    client.take(&message(
        r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#,
    ));
    let step = client.take(&message(r#"{"id":2,"result":{"sessionId":"s"}}"#));
    assert_eq!(step.send[0]["method"], "session/prompt");
    client
}

#[test]
fn an_agent_that_is_to_stop_is_permitted_nothing_more() {
    let mut client = prompted(order());
    assert_eq!(client.cancel().send[0]["method"], "session/cancel");
    let step = client.take(&message(
        r#"{"id":7,"method":"session/request_permission","params":{"toolCall":{"title":"rm"},
            "options":[{"optionId":"yes","kind":"allow_once"}]}}"#,
    ));
    assert_eq!(step.send[0]["result"]["outcome"]["outcome"], "cancelled");
    assert!(matches!(step.events[..], [Event::Denied { .. }]));
}

#[test]
fn who_is_to_stop_before_the_prompt_never_gets_it() {
    let (mut client, _) = Client::start(order());
    assert!(client.cancel().over);
    let late = client.take(&message(r#"{"id":1,"result":{"protocolVersion":1}}"#));
    assert_eq!(late, Step::default());
}

#[test]
fn what_comes_after_the_last_answer_is_ignored() {
    let mut client = prompted(order());
    let end = message(r#"{"id":3,"result":{"stopReason":"end_turn"}}"#);
    let step = client.take(&end);
    assert!(step.over);
    assert!(
        matches!(step.events[..], [Event::Result { .. }]),
        "no figures are told where there are none: {step:?}"
    );
    assert_eq!(client.take(&end), Step::default());
}

#[test]
fn the_agent_is_told_at_once_that_nothing_is_offered_to_it() {
    let (_, step) = Client::start(order());
    let params = &step.send[0]["params"];
    assert_eq!(params["protocolVersion"], 1);
    let offered = &params["clientCapabilities"];
    assert_eq!(offered["fs"]["readTextFile"], false);
    assert_eq!(offered["fs"]["writeTextFile"], false);
    assert_eq!(offered["terminal"], false);
}

#[test]
fn the_mode_that_asks_least_is_chosen() {
    let (mut client, _) = Client::start(order());
    client.take(&message(r#"{"id":1,"result":{"protocolVersion":1}}"#));
    let step = client.take(&message(
        r#"{"id":2,"result":{"sessionId":"s","modes":{"availableModes":[
            {"id":"default"},{"id":"yolo"},{"id":"bypassPermissions"}]}}}"#,
    ));
    assert_eq!(step.send[0]["params"]["modeId"], "bypassPermissions");
}

#[test]
fn an_answer_to_the_prompt_says_how_the_turn_ended() {
    for (answer, class, words) in [
        (r#""result":{"stopReason":"end_turn"}"#, "done", ""),
        (
            r#""result":{"stopReason":"max_turn_requests"}"#,
            "max_turns",
            "limit of turns",
        ),
        (
            r#""result":{"stopReason":"refusal"}"#,
            "refused",
            "the model refuses to answer",
        ),
        (
            r#""result":{"stopReason":"cancelled"}"#,
            "crashed",
            "interrupted from outside",
        ),
        (
            r#""result":{"stopReason":"max_tokens"}"#,
            "crashed",
            "stopped early (max_tokens)",
        ),
        (r#""result":{}"#, "crashed", "without a reason to stop"),
        (
            r#""error":{"code":429,"message":"slow down"}"#,
            "limited",
            "slow down",
        ),
        (
            r#""error":{"code":-32603,"message":"Internal error","data":{"details":"401 bad key"}}"#,
            "auth",
            "401 bad key",
        ),
        (
            r#""error":{"code":-32603,"message":"stop","data":{"kind":"usage_limit_reached"}}"#,
            "limited",
            "stop",
        ),
    ] {
        let step = prompted(order()).take(&message(&format!("{{\"id\":3,{answer}}}")));
        let told: String = step
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n")
            .collect();
        let (_, report) = parse(Dialect::Normal, told.as_bytes(), "", &Exit::default());
        assert_eq!(report.class.as_str(), class, "{answer}");
        assert!(report.message.contains(words), "{}", report.message);
    }
}
