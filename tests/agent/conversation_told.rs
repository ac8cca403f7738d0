//! What is told of a conversation: tools, models, tokens, costs, and what an agent cannot do.

use agent_loop::agent::Event;
use agent_loop::agent::acp::{Client, Order, Step};

use super::conversation_led::{message, order, prompted};

/// What a prompted agent's updates are told as.
fn told(updates: &[&str]) -> Vec<Event> {
    let mut client = prompted(order());
    let update = |update: &&str| {
        let update = format!(r#"{{"method":"session/update","params":{{"update":{update}}}}}"#);
        client.take(&message(&update)).events
    };
    updates.iter().flat_map(update).collect()
}

#[test]
fn a_tool_is_told_when_it_is_known_what_it_does_and_again_when_it_is_called_again() {
    let begun = r#"{"sessionUpdate":"tool_call","toolCallId":"t1","kind":"sh","title":"Run","status":"in_progress","rawInput":{}}"#;
    let named = r#"{"sessionUpdate":"tool_call_update","toolCallId":"t1","title":"Run","rawInput":{"command":"ls"}}"#;
    let ended = r#"{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"completed","rawOutput":"a b"}"#;
    let tool = Event::Tool {
        name: "sh".to_owned(),
        summary: "ls".to_owned(),
    };
    let answer = Event::ToolResult {
        ok: true,
        summary: "a b".to_owned(),
    };
    assert_eq!(told(&[begun]), []);
    let once = [tool.clone(), answer.clone()];
    assert_eq!(told(&[begun, named, named, ended]), once);
    let twice = [tool.clone(), answer.clone(), tool, answer];
    let updates = [begun, named, ended, begun, named, ended];
    assert_eq!(told(&updates), twice);
    let untitled =
        r#"{"sessionUpdate":"tool_call","toolCallId":"t2","kind":"sh","status":"in_progress"}"#;
    assert_eq!(told(&[untitled]), []);
}

#[test]
fn a_tool_that_failed_is_told_as_one_and_an_update_of_no_known_kind_by_its_name() {
    let failed = r#"{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"failed","rawOutput":"no"}"#;
    let answer = Event::ToolResult {
        ok: false,
        summary: "no".to_owned(),
    };
    assert_eq!(told(&[failed]), [answer]);
    let raw = Event::Raw {
        line: "session/update dance".to_owned(),
    };
    assert_eq!(told(&[r#"{"sessionUpdate":"dance"}"#]), [raw]);
}

#[test]
fn a_cost_is_told_also_where_no_tokens_are() {
    let mut client = prompted(order());
    client.take(&message(
        r#"{"method":"session/update","params":{"update":{"sessionUpdate":"usage_update","cost":{"amount":0.5,"currency":"USD"}}}}"#,
    ));
    let step = client.take(&message(r#"{"id":3,"result":{"stopReason":"end_turn"}}"#));
    let [Event::Usage { cost_usd, .. }, _] = step.events[..] else {
        panic!("{step:?}");
    };
    assert_eq!(cost_usd, Some(0.5));
}

#[test]
fn the_model_is_the_one_that_was_taken_or_the_agents_own() {
    let opened = r#"{"id":2,"result":{"sessionId":"s","models":{"availableModels":[],"currentModelId":"m0"}}}"#;
    let model = |name: &str| Event::Model {
        name: name.to_owned(),
    };
    for wanted in [None, Some("m1")] {
        let (mut client, _) = Client::start(Order {
            model: wanted.map(str::to_owned),
            ..order()
        });
        client.take(&message(r#"{"id":1,"result":{"protocolVersion":1}}"#));
        let step = client.take(&message(opened));
        match wanted {
            None => assert_eq!(step.events, [model("m0")]),
            Some(wanted) => {
                assert_eq!(step.events, [], "it is not taken yet");
                let step = client.take(&message(r#"{"id":3,"result":{}}"#));
                assert_eq!(step.events, [model(wanted)]);
            }
        }
    }
}

#[test]
fn a_model_is_told_once() {
    let used = r#"{"sessionUpdate":"usage_update","_meta":{"_claude/model":"m2"}}"#;
    let model = Event::Model {
        name: "m2".to_owned(),
    };
    assert_eq!(told(&[used, used]), [model]);
}

#[test]
fn tokens_from_a_cache_are_tokens_that_were_sent() {
    let step = prompted(order()).take(&message(
        r#"{"id":3,"result":{"stopReason":"end_turn","usage":
            {"inputTokens":1,"cachedReadTokens":2,"cachedWriteTokens":4,"outputTokens":8}}}"#,
    ));
    let Event::Usage {
        input_tokens,
        output_tokens,
        ..
    } = step.events[0]
    else {
        panic!("{step:?}");
    };
    assert_eq!((input_tokens, output_tokens), (7, 8));
}

#[test]
fn what_it_cost_is_known_of_new_sessions_and_in_dollars_only() {
    let cost = |resume: Option<&str>, currency: &str| {
        let mut client = prompted(Order {
            resume: resume.map(str::to_owned),
            ..order()
        });
        client.take(&message(&format!(
            r#"{{"method":"session/update","params":{{"update":{{"sessionUpdate":"usage_update","cost":{{"amount":0.5,"currency":"{currency}"}}}}}}}}"#
        )));
        let step = client.take(&message(
            r#"{"id":3,"result":{"stopReason":"end_turn","usage":{"inputTokens":1}}}"#,
        ));
        match step.events[..] {
            [Event::Usage { cost_usd, .. }, _] => cost_usd,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(cost(None, "USD"), Some(0.5));
    assert_eq!(cost(None, "EUR"), None);
    assert_eq!(cost(Some("s"), "USD"), None, "it counts from its start");
}

#[test]
fn a_model_is_asked_for_in_the_way_that_the_agent_offers() {
    for (offer, method) in [
        (
            r#""models":{"availableModels":[]}"#,
            Some("session/set_model"),
        ),
        (
            r#""configOptions":[{"id":"mode","category":"mode"},{"id":"model","category":"model"}]"#,
            Some("session/set_config_option"),
        ),
        (r#""x":1"#, None),
    ] {
        let (mut client, _) = Client::start(order());
        client.take(&message(
            r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#,
        ));
        let step = client.take(&message(&format!(
            "{{\"id\":2,\"result\":{{\"sessionId\":\"s\",{offer}}}}}"
        )));
        match method {
            Some(method) => {
                assert_eq!(step.send[0]["method"], method);
                // Refused: the work is done all the same, with the agent's own model.
                let step = client.take(&message(r#"{"id":3,"error":{"code":-1,"message":"no"}}"#));
                assert_eq!(step.send[0]["method"], "session/prompt");
                assert!(matches!(step.events[0], Event::Error { .. }));
            }
            None => {
                assert_eq!(step.send[0]["method"], "session/prompt");
                assert!(matches!(step.events[1], Event::Error { .. }));
            }
        }
    }
}

#[test]
fn an_agent_that_cannot_load_sessions_has_none_to_go_on_with() {
    let (mut client, _) = Client::start(order());
    client.take(&message(r#"{"id":1,"result":{"protocolVersion":1}}"#));
    let step = client.take(&message(r#"{"id":2,"result":{"sessionId":"s"}}"#));
    let told = format!("{:?}", step.events);
    assert!(!told.contains("Session"), "{told}");
    let (mut client, _) = Client::start(Order {
        resume: Some("s".to_owned()),
        ..order()
    });
    let step = client.take(&message(r#"{"id":1,"result":{"protocolVersion":1}}"#));
    assert!(step.over);
    let told = format!("{:?}", step.events);
    assert!(told.contains("NoSession"), "{told}");
}

#[test]
fn whatever_an_agent_says_of_a_session_that_it_does_not_load_another_may_do() {
    for (error, fault) in [
        (
            r#"{"code":-32602,"message":"resource not found"}"#,
            "NoSession",
        ),
        (r#"{"code":404,"message":"gone"}"#, "NoSession"),
        (r#"{"code":-32000,"message":"log in"}"#, "Auth"),
    ] {
        let (mut client, _) = Client::start(Order {
            resume: Some("s".to_owned()),
            ..order()
        });
        client.take(&message(
            r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#,
        ));
        let step = client.take(&message(&format!(r#"{{"id":2,"error":{error}}}"#)));
        let told = format!("{:?}", step.events);
        assert!(step.over && told.contains(fault), "{told}");
    }
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    for answer in [r#"{"protocolVersion":2}"#, "{}", "null"] {
        let (mut client, _) = Client::start(order());
        let step = client.take(&message(&format!("{{\"id\":1,\"result\":{answer}}}")));
        assert!(step.over);
        assert!(format!("{:?}", step.events).contains("Refused"), "{answer}");
    }
}

#[test]
fn answers_that_nobody_asked_for_are_ignored() {
    let (mut client, _) = Client::start(order());
    for text in [
        r#"{"id":9,"result":{"protocolVersion":1}}"#,
        r#"{"id":"1","result":{}}"#,
        r#"{"result":{}}"#,
        r#"{"method":"session/update"}"#,
        r#"{"method":"_other/thing","params":null}"#,
        "{}",
    ] {
        assert_eq!(client.take(&message(text)), Step::default());
    }
}
