//! The bridge to the Agent Client Protocol as the process that it is: the agent, its pipes and its end.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use agent_loop::agent::{Dialect, Exit, ResultClass};
use serde_json::Value;
use tempfile::TempDir;

use super::streams::parse;
use crate::support::{PATIENCE, is_alive};

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
    let output = bridge(&dir, &format!("{CHUNK}; say noise; say 3; say ''; {END}"))
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
    assert_eq!(report.raw_lines, 2, "an empty line is none");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!told.contains("the agent ended"), "{told}");
    assert_eq!(exit.code, Some(0));
    assert!(dir.path().join("ended").exists(), "its input was closed");
}

#[test]
fn a_prompt_that_is_no_utf8_reaches_the_agent_all_the_same() {
    let dir = TempDir::new().unwrap();
    let heard = r#"printf '%s\n' "$line" > heard"#;
    let mut command = bridge(&dir, &format!("{heard}; {END}"));
    fs::write(dir.path().join("prompt"), b"do \xff it").unwrap();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heard = fs::read_to_string(dir.path().join("heard")).unwrap();
    assert!(heard.contains("do \u{fffd} it"), "{heard}");
}

#[test]
fn an_agent_that_does_not_listen_any_more_is_heard_to_its_end() {
    let dir = TempDir::new().unwrap();
    let asks = r#"say '{"id":"p1","method":"session/request_permission","params":{"options":[{"optionId":"yes","kind":"allow_once"}]}}'"#;
    // Both answers find nobody, the second one after the first was tried.
    let deaf = format!("exec 0<&-; {asks}; sleep 1; {asks}; {CHUNK}; {END}");
    let output = bridge(&dir, &deaf).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (_, report) = parse(Dialect::Normal, &output.stdout, "", &Exit::default());
    assert_eq!(report.class, ResultClass::Done, "{report:?}");
    assert_eq!(report.final_message, "hello");
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
    assert_eq!(exit.code, Some(1));
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
fn session_and_model_reach_the_agent_and_no_other_argument_does() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prompt"), "do it").unwrap();
    let agent = dir.path().join("agent.sh");
    // Every answer will do for every question.
    let script = r#"
        n=0
        while read -r line; do
          echo "$line" >> heard
          n=$((n + 1))
          printf '{"id":%s,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true},"models":{"availableModels":[]},"stopReason":"end_turn"}}\n' $n
        done
        "#;
    fs::write(&agent, script).unwrap();
    let started = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_loopctl"))
            .args(["__acp", "--prompt-file", "prompt"])
            .args(args)
            .args(["--", "/bin/sh"])
            .arg(&agent)
            .current_dir(dir.path())
            .output()
            .unwrap()
    };
    let output = started(&["--resume", "s9", "--model", "m9"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heard = fs::read_to_string(dir.path().join("heard")).unwrap();
    let heard: Vec<Value> = heard
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let asked: Vec<&str> = heard
        .iter()
        .map(|line| line["method"].as_str().unwrap())
        .collect();
    assert_eq!(
        asked,
        [
            "initialize",
            "session/load",
            "session/set_model",
            "session/prompt"
        ]
    );
    assert_eq!(heard[1]["params"]["sessionId"], "s9");
    assert_eq!(heard[2]["params"]["modelId"], "m9");

    let output = started(&["--sesion", "s9"]);
    let (_, report) = parse(Dialect::Normal, &output.stdout, "", &Exit::default());
    assert_eq!(report.class, ResultClass::Refused);
    assert!(report.message.contains("--sesion"), "{}", report.message);
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
fn an_agent_may_work_for_long_and_has_time_to_end() {
    let dir = TempDir::new().unwrap();
    // Longer than it has to end; and then it does not end at once.
    let takes_its_time = format!("sleep 11; {CHUNK}; {END}; sleep 1");
    let output = bridge(&dir, &takes_its_time).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(dir.path().join("ended").exists(), "it ended by itself");
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
