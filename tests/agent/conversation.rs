//! The bridge's side of a conversation by the Agent Client Protocol: recorded ones with real agents, and what no recording
//! has. The process that holds it is not here (`bridge`).

use std::fs;

use agent_loop::agent::acp::{Client, Order, Step};
use agent_loop::agent::{Dialect, Event, Exit, Report, ResultClass};
use serde_json::Value;

use super::streams::{CLOCK, directory, parse};

/// What a recorded conversation comes to when the client has its part in it.
struct Replay {
    /// Methods that the recorded client sent, and those that ours sends.
    recorded: Vec<String>,
    sent: Vec<String>,
    report: Report,
}

fn replay(name: &str) -> Replay {
    let text = fs::read_to_string(directory().join("acp").join(format!("{name}.jsonl"))).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let out = |method: &str| {
        lines
            .iter()
            .filter_map(|line| line.get("out"))
            .find(|message| message["method"] == method)
    };
    let order = Order {
        cwd: "/RUN/repo".to_owned(),
        prompt: out("session/prompt").map_or(String::new(), |message| {
            message["params"]["prompt"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        }),
        resume: out("session/load")
            .map(|message| message["params"]["sessionId"].as_str().unwrap().to_owned()),
        model: None,
    };
    let (mut client, first) = Client::start(order);
    let mut sent = first.send;
    let mut events: Vec<Event> = first.events;
    for line in &lines {
        let step = match (line.get("in"), line.get("out")) {
            (Some(message), _) => client.take(message),
            (None, Some(message)) if message["method"] == "session/cancel" => client.cancel(),
            (None, _) => continue,
        };
        sent.extend(step.send);
        events.extend(step.events);
    }
    let recorded: Vec<&Value> = lines.iter().filter_map(|line| line.get("out")).collect();
    for (ours, theirs) in sent.iter().zip(&recorded) {
        if ours["method"] != "initialize" {
            assert_eq!(&ours, theirs, "{name}");
        }
    }
    let methods = |messages: Vec<&Value>| -> Vec<String> {
        messages
            .into_iter()
            .map(|message| message["method"].as_str().unwrap_or("answer").to_owned())
            .collect()
    };
    let stream: String = events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap() + "\n")
        .collect();
    let exit = Exit {
        code: Some(1),
        ..Exit::default()
    };
    Replay {
        recorded: methods(recorded),
        sent: methods(sent.iter().collect()),
        report: parse(Dialect::Normal, stream.as_bytes(), "", &exit).1,
    }
}

#[test]
fn recorded_conversations_are_led_the_same_way_and_come_to_the_same() {
    const DONE: &str = "Checked one box in plan.md and committed it.\nLOOP_DONE";
    const NOTHING: &str = "Nothing to do.\nLOOP_DONE";
    for (name, class, last, tokens) in [
        ("claude-ok", "done", DONE, (2400, 100)),
        ("codex-ok", "done", DONE, (2000, 100)),
        ("gemini-ok", "done", DONE, (2000, 100)),
        ("opencode-ok", "done", DONE, (1000, 50)),
        ("qwen-ok", "done", DONE, (0, 0)),
        ("claude-resume", "done", NOTHING, (1200, 50)),
        ("codex-resume", "done", NOTHING, (1000, 50)),
        ("opencode-resume", "done", NOTHING, (1000, 50)),
        ("qwen-resume", "done", NOTHING, (0, 0)),
        ("gemini-resume", "session_gone", "", (0, 0)),
        ("claude-limit", "limited", "", (0, 0)),
        ("codex-limit", "limited", "", (0, 0)),
        ("gemini-limit", "limited", "", (0, 0)),
        ("codex-401", "auth", "", (0, 0)),
        ("gemini-401", "auth", "", (0, 0)),
        ("qwen-401", "auth", "", (0, 0)),
        ("opencode-401", "auth", "", (0, 0)),
        // Silence: still trying when the recording ended.
        ("claude-401", "crashed", "", (0, 0)),
        ("opencode-limit", "crashed", "", (0, 0)),
        ("qwen-limit", "crashed", "", (0, 0)),
        ("claude-cancel", "crashed", "", (1200, 50)),
    ] {
        let replay = replay(name);
        let report = &replay.report;
        assert_eq!(report.class.as_str(), class, "{name}: {report:?}");
        if class == "done" {
            assert_eq!(report.final_message, last, "{name}");
        }
        let used = (report.usage.input_tokens, report.usage.output_tokens);
        assert_eq!(used, tokens, "{name}");
        assert_eq!(replay.sent, replay.recorded, "{name}");
        assert_eq!(report.raw_lines, 0, "{name}");
    }
}

#[test]
fn a_limit_told_in_words_has_its_reset_time() {
    let ResultClass::Limited { resets_at } = replay("codex-limit").report.class else {
        panic!("not limited");
    };
    // "try again at 7:52 AM"; it is 07:10.
    assert_eq!(resets_at, Some(CLOCK.now.plus_ms(43 * 60_000)));
}

#[test]
fn tools_are_told_once_with_what_they_do() {
    for name in [
        "claude-ok",
        "codex-ok",
        "gemini-ok",
        "opencode-ok",
        "qwen-ok",
    ] {
        let text =
            fs::read_to_string(directory().join("acp").join(format!("{name}.jsonl"))).unwrap();
        let (mut client, _) = Client::start(Order {
            cwd: String::new(),
            prompt: String::new(),
            resume: None,
            model: None,
        });
        let mut tools = Vec::new();
        let mut results = 0;
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(message) = line.get("in") else {
                continue;
            };
            for event in client.take(message).events {
                match event {
                    Event::Tool { name, summary } => {
                        assert_ne!(name, "tool");
                        tools.push(summary);
                    }
                    Event::ToolResult { ok, .. } => results += usize::from(ok),
                    _ => {}
                }
            }
        }
        assert_eq!(tools.len(), 1, "{name}: {tools:?}");
        assert!(tools[0].starts_with("sed -i"), "{name}: {tools:?}");
        assert_eq!(results, 1, "{name}");
    }
}

fn order() -> Order {
    Order {
        cwd: "/w".to_owned(),
        prompt: "p".to_owned(),
        resume: None,
        model: Some("m1".to_owned()),
    }
}

fn message(text: &str) -> Value {
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
fn prompted(order: Order) -> Client {
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
