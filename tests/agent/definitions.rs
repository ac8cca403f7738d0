//! Agents that a person defines: what a definition extends and keeps, and what is said of one that cannot be called. The known
//! agents are in `drivers`.

use std::collections::BTreeMap;

use agent_loop::agent::{Call, Dialect, DriverKind, resolve};

use super::drivers::{call, command, defined, shown};

#[test]
fn a_definition_extends_a_known_agent_and_its_arguments_come_where_the_agent_wants_them() {
    let own = defined(
        "fast",
        "driver = 'codex'\ncommand = '/opt/codex'\nargs = ['-c', 'model_provider={x}']\nenv = { A = '1' }",
    );
    let resumed = Call {
        resume: Some("s1".into()),
        ..call()
    };
    let spec = resolve("fast", &own).unwrap();
    assert_eq!(spec.dialect(), Dialect::Codex);
    assert_eq!(spec.driver(), DriverKind::Known);
    assert_eq!(spec.name(), "fast");
    assert!(spec.can_resume());
    let line = spec.command(&resumed).unwrap();
    assert_eq!(
        shown(&line),
        "/opt/codex exec --json --dangerously-bypass-approvals-and-sandbox -c model_provider={x} resume s1 -"
    );
    assert_eq!(line.env, [("A".to_owned(), "1".to_owned())]);
    assert!(line.pass.contains(&"OPENAI_*".to_owned()));
}

#[test]
fn a_definition_of_a_known_name_keeps_its_driver() {
    let own = defined("claude", "args = ['--effort', 'high']");
    let line = command("claude", &own, &call());
    assert!(line.starts_with("claude -p ") && line.ends_with("--effort high"));
}

#[test]
fn what_has_to_be_there_for_an_agent_is_its_program_on_its_own_path() {
    let own = defined("mine", "command = '/opt/my agent'\nenv = { PATH = '/opt' }");
    let mine = resolve("mine", &own).unwrap();
    assert_eq!(mine.program(), Some("/opt/my agent"));
    assert_eq!(mine.path(), Some("/opt"));
    let scripted = resolve("scripted", &BTreeMap::new()).unwrap();
    assert_eq!((scripted.program(), scripted.path()), (None, None));
}

#[test]
fn only_a_command_that_takes_a_session_is_given_a_name_for_it() {
    let named = |name: &str, toml: &str| {
        let own = defined(name, toml);
        resolve(name, &own).unwrap().is_named_sessions()
    };
    assert!(named("mine", "command = 'x'\nargs = ['{session}']"));
    assert!(!named("mine", "command = 'x'"));
    assert!(!named("claude", "args = ['--note={session}']"));
}

#[test]
fn the_bridge_starts_the_command_behind_a_separator() {
    let own = defined(
        "g",
        "driver = 'acp'\ncommand = 'gemini'\nargs = ['--acp', '--skip-trust']",
    );
    let resumed = Call {
        resume: Some("s1".into()),
        model: Some("m1".into()),
        ..call()
    };
    assert_eq!(
        command("g", &own, &resumed),
        "/proc/self/exe __acp --prompt-file /data/prompt.txt --resume s1 --model m1 -- gemini --acp --skip-trust"
    );
}

#[test]
fn what_cannot_be_called_is_named_with_what_to_do() {
    let none = BTreeMap::new();
    for (name, definitions, expected) in [
        (
            "cloud",
            none.clone(),
            "agent `cloud` is not known; known are aider, claude, codex, gemini, opencode, pi, qwen, scripted; \
             or define it in [agents.cloud]",
        ),
        (
            "x",
            defined("x", "driver = 'magic'"),
            "[agents.x]: driver `magic` is not known; known are claude, codex, gemini, opencode, qwen, pi, aider, \
             exec, acp, scripted",
        ),
        (
            "x",
            defined("x", "args = ['a']"),
            "[agents.x]: driver `exec` needs `command`, the program to start",
        ),
        (
            "x",
            defined("x", "driver = 'acp'"),
            "[agents.x]: driver `acp` needs `command`, the program to start",
        ),
        (
            "x",
            defined("x", "command = 'npx my-agent'"),
            "[agents.x]: `command` is one program, but it says `npx my-agent`; put its arguments in `args`",
        ),
        (
            "x",
            defined("x", "driver = 'scripted'\nargs = ['a', 'b']"),
            "[agents.x]: driver `scripted` takes one argument, the script's path",
        ),
    ] {
        let error = resolve(name, &definitions).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let own = defined("x", "command = 'a'\nargs = ['{model}']");
    let error = resolve("x", &own).unwrap().command(&call()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "[agents.x]: its args use {model}, but this call has none; set `model`"
    );
    for name in ["exec", "acp"] {
        assert!(resolve(name, &none).is_err(), "{name} is no agent");
    }
}
