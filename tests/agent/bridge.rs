//! The bridge to the Agent Client Protocol: recorded conversations with real agents, and the process it is.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use agent_loop::agent::acp::{Client, Order};
use agent_loop::agent::{Dialect, Event, Exit, Report, ResultClass};
use serde_json::Value;
use tempfile::TempDir;

use super::streams::{CLOCK, directory, parse};
use crate::support::{PATIENCE, is_alive};

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
        assert_eq!(
            client.take(&message(text)),
            agent_loop::agent::acp::Step::default()
        );
    }
}

/// An agent of a few lines of shell that answers as the protocol wants; `prompt` is what it does with the prompt.
fn bridge(dir: &TempDir, prompt: &str) -> Command {
    let agent = dir.path().join("agent.sh");
    let script = format!(
        r#"
        say() {{ printf '%s\n' "$1"; }}
        while read -r line; do
          case "$line" in
            *'"initialize"'*) say '{{"id":1,"result":{{"protocolVersion":1,"agentCapabilities":{{"loadSession":true}}}}}}' ;;
            *'"session/new"'*) say '{{"id":2,"result":{{"sessionId":"s1"}}}}' ;;
            *'"session/prompt"'*) {prompt} ;;
            *'"session/cancel"'*) say '{{"id":3,"result":{{"stopReason":"cancelled"}}}}' ;;
          esac
        done
        echo ended > ended
        "#
    );
    fs::write(&agent, script).unwrap();
    fs::write(dir.path().join("prompt"), "do it").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopctl"));
    command
        .args(["__acp", "--prompt-file"])
        .arg(dir.path().join("prompt"))
        .args(["--", "/bin/sh"])
        .arg(agent)
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

const CHUNK: &str = r#"say '{"method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":{"text":"hello"}}}}'"#;
const END: &str = r#"say '{"id":3,"result":{"stopReason":"end_turn"}}'"#;

#[test]
fn the_bridge_talks_to_a_process_and_lets_it_end() {
    let dir = TempDir::new().unwrap();
    let output = bridge(&dir, &format!("{CHUNK}; say noise; {END}"))
        .output()
        .unwrap();
    let exit = Exit {
        code: output.status.code(),
        ..Exit::default()
    };
    let (_, report) = parse(Dialect::Normal, &output.stdout, "", &exit);
    assert_eq!(report.class, ResultClass::Done, "{report:?}");
    assert_eq!(report.final_message, "hello");
    assert_eq!(report.session.as_deref(), Some("s1"));
    assert_eq!(exit.code, Some(0));
    assert!(dir.path().join("ended").exists(), "its input was closed");
}

#[test]
fn an_agent_that_dies_has_no_result() {
    let dir = TempDir::new().unwrap();
    let output = bridge(&dir, &format!("{CHUNK}; exit 4")).output().unwrap();
    let exit = Exit {
        code: output.status.code(),
        ..Exit::default()
    };
    let (_, report) = parse(Dialect::Normal, &output.stdout, "", &exit);
    assert_eq!(report.class, ResultClass::Crashed);
    assert!(
        report.message.contains("exit status: 4"),
        "{}",
        report.message
    );
}

#[test]
fn a_command_that_does_not_exist_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prompt"), "do it").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loopctl"))
        .args(["__acp", "--prompt-file", "prompt", "--", "no-such-agent"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let (_, report) = parse(Dialect::Normal, &output.stdout, "", &Exit::default());
    assert_eq!(report.class, ResultClass::Refused);
    assert!(
        report.message.contains("no-such-agent"),
        "{}",
        report.message
    );
}

#[test]
fn a_request_to_end_cancels_the_prompt_and_the_agent_ends_by_itself() {
    let dir = TempDir::new().unwrap();
    let mut child = bridge(&dir, CHUNK).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The session is told before the prompt is sent; the message is told when the turn ends.
    let session = lines.next().unwrap().unwrap();
    assert!(session.contains("s1"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.contains("interrupted")),
        "{rest:?}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(dir.path().join("ended").exists());
}

#[test]
fn an_agent_that_does_not_end_is_ended_with_all_that_it_started() {
    let dir = TempDir::new().unwrap();
    let stays = format!(
        "{CHUNK}; {END}; sleep 1000 & echo $! > child; trap '' TERM; while :; do sleep 1000; done"
    );
    let mut child = bridge(&dir, &stays).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let lines: Vec<String> = lines.map_while(Result::ok).collect();
        let _ = sender.send((lines, child.wait().unwrap()));
    });
    // It is given ten seconds.
    let (said, status) = ended.recv_timeout(PATIENCE).expect("the bridge ends");
    assert!(said.iter().any(|line| line.contains("hello")), "{said:?}");
    assert_eq!(status.code(), Some(0), "what was said counts");
    let pid = fs::read_to_string(dir.path().join("child")).unwrap();
    let pid = pid.trim().parse().unwrap();
    let gone = std::time::Instant::now() + PATIENCE;
    while is_alive(pid) {
        assert!(std::time::Instant::now() < gone, "{pid} lives");
        std::thread::yield_now();
    }
}
