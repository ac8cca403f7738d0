//! The bridge's side of a conversation by the Agent Client Protocol: recorded ones with real agents. What no
//! recording has: `conversation_led`, `conversation_told`; the process that holds it: `bridge`.

use std::fs;

use agent_loop::agent::acp::{Client, Order};
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
