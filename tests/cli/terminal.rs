//! Text from outside cannot command the terminal: names, paths, reasons and what agents said go through every command
//! that shows them, and no escape sequence comes out.

use axum::response::Response;
use serde_json::{Value, json};

use super::fake::{Fake, RUN, Seen, event, events, http, raw, refusal, reply, run};
use super::loopctl::{Ended, User};

/// Sets the title of a window, goes a step back, and clears the screen by the short forms that JSON does not escape.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{8}\u{9b}2J\u{7f}";
/// What is left of it.
const HARMLESS: char = '\u{fffd}';

fn evil(text: &str) -> Value {
    json!(format!("{text}{EVIL}"))
}

/// Whatever is a text in here, but for the words that have to be known, gets the sequence at its end.
fn poisoned(value: Value) -> Value {
    match value {
        Value::String(text) => evil(&text),
        Value::Array(items) => items.into_iter().map(poisoned).collect(),
        Value::Object(fields) => {
            let known = |key: &str| {
                let ids = ["id", "run_id", "step_id", "run", "kind", "phase"];
                let words = ["name_source", "status", "merge_strategy", "level", "until"];
                ids.contains(&key) || words.contains(&key) || key.ends_with("_at")
            };
            let poison = |(key, value): (String, Value)| {
                let value = match (known(&key), &value) {
                    (true, Value::String(_)) => value,
                    (_, _) => poisoned(value),
                };
                (key, value)
            };
            fields.into_iter().map(poison).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// An ended run in which every text that there can be is there.
fn failed() -> Value {
    let mut it = run("failed", "FAILED");
    it["failure"] = json!({ "code": "agent_failed", "message": "it crashed" });
    it["hold"] = json!({ "gate": "limit", "until": null, "message": "wait" });
    it["handover"] = json!({ "state": "given_up", "message": "something is in the way" });
    it["review_status"] = json!("merged");
    it["merge_commit"] = json!("abc");
    it["pr_url"] = json!("https://forge.example/1");
    it["worktree"]["kept"] = json!(["/v: a file"]);
    it["postmortem"] = json!({ "began_at": "2026-11-20T10:00:00Z", "ended_at": "2026-11-20T10:01:00Z",
        "written": false, "failure": "no credentials" });
    poisoned(it)
}

fn gates() -> Value {
    json!([{ "gate": "limit", "message": "claude is limited", "until": "2099-01-01T00:00:00Z" },
           { "gate": "global_cap", "message": "all slots are used", "until": null }])
}

fn answer(seen: &Seen) -> Response {
    let line = || json!({ "run": RUN, "name": "login", "state": "queued", "priority": 0, "workspace_root": "/w" });
    let body = match (seen.method.as_str(), &*seen.uri) {
        ("POST", "/runs") => json!({
            "run": failed(), "warnings": ["no checks"],
            "plan": { "tasks": 1, "done": 0, "blocked": 0, "human": 0, "skipped": [{ "heading": "QA", "boxes": 1 }] } }),
        ("POST", "/gc") => {
            json!({ "dry_run": false, "retention_days": 3, "problems": ["a broken repository"], "runs": [{
            "run_id": RUN, "run_name": "login", "state": "failed", "ended_at": null, "worktrees": ["/w"], "files": true,
            "branches": [{ "name": "run/login", "rescue": "refs/x" }], "kept": ["/v: a file"] }] })
        }
        ("DELETE", _) => json!({ "path": "/w", "run_id": RUN, "note": "removed" }),
        (_, "/queue") => {
            let mut held = line();
            held["position"] = json!(1);
            held["gates"] = gates();
            json!({ "starting": [line()], "running": [line()], "held": [held], "wake_at": null, "policy": {
                "queue_policy": "fifo", "max_concurrent_runs": 3, "max_runs_per_workspace": 1, "aging_starts": 8 } })
        }
        (_, "/worktrees") => json!({
            "worktrees": [{ "path": "/w", "run_id": RUN, "run_name": "login", "state": "failed", "workspace_root": "/r",
                "run_branch": "run/login", "present": true, "on_disk": true, "removable": false, "why_kept": "a file" }],
            "strays": [{ "path": "/c", "run_id": "nobody", "run_known": true, "branch": "x", "on_disk": true }],
            "problems": ["a broken repository"] }),
        (_, uri) if uri.starts_with("/runs?") => json!({ "runs": [failed()], "next_cursor": null }),
        (_, uri) if uri.ends_with("/why") => json!({
            "run": RUN, "state": "queued", "position": 2, "wake_at": null, "gates": gates() }),
        (_, uri) if uri.ends_with("/steps") => json!({ "steps": [{
            "id": RUN, "run_id": RUN, "phase": "implementation", "status": "FAILED", "attempt": 1, "iteration": 2,
            "started_at": null, "ended_at": null, "exit_code": 1, "prompt_path": "/p", "output_path": "/o",
            "agent": { "name": "claude", "version": "2.1", "resumed_session": "s" },
            "confinement": { "level": "partial", "landlock_abi": 3, "lacks": ["signals"] } }] }),
        (_, uri) if uri.ends_with("/artifacts") => json!({ "artifacts": [
            { "kind": "analysis", "location": "global", "path": "/a/report", "sha256": null }] }),
        (_, uri) if uri.contains("/events") => {
            let said = json!({ "message": evil("it crashed"), format!("key{EVIL}"): ["item"] });
            return events(
                event(1, "POSTMORTEM_END", RUN, said.clone()) + &event(2, "RUN_FAILED", RUN, said),
            );
        }
        (_, uri) if uri.contains("/output") => {
            let text = evil("working");
            let data = json!({ "step_id": RUN, "phase": "review", "offset": 0, "text": text });
            return events(format!("id: {RUN}:9\ndata: {data}\n\n"));
        }
        (_, _) => return reply(200, &json!({ "run": failed() })),
    };
    // A run has been poisoned already; twice does no harm.
    reply(200, &poisoned(body))
}

fn is_harmless(what: &str, ended: &Ended) {
    let said = format!("{}{}", ended.out, ended.err);
    assert!(said.contains(HARMLESS), "{what} shows it: {said:?}");
    // The log has a spelling of its own for it.
    assert!(!ended.out.contains("owned"), "{what}: {}", ended.out);
    for control in ["\u{1b}]", "\u{7}", "\u{8}", "\u{9b}", "\u{7f}"] {
        assert!(!said.contains(control), "{what}: {said:?}");
    }
}

/// Every kind of answer, shown.
const COMMANDS: [&[&str]; 14] = [
    &["run", "specs/login.md", "--wait"],
    &["run", "specs/login.md", "--follow"],
    &["list"],
    &["inspect", "login"],
    &["why", "login"],
    &["queue"],
    &["events", "login"],
    &["tail", "login"],
    &["cancel", "login"],
    &["merge", "login"],
    &["analyze", "login"],
    &["worktrees"],
    &["worktree-rm", "/w"],
    &["gc"],
];

#[tokio::test(flavor = "multi_thread")]
async fn no_command_passes_on_what_would_command_the_terminal() {
    let fake = Fake::start(answer).await;
    let user = User::new();
    user.file("specs/login.md", "# Login\n");
    for command in COMMANDS {
        let coloured = [command, &["--color", "always"]].concat();
        let ended = user.at(&fake.addr, &coloured).await;
        is_harmless(command[0], &ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_all_that_was_said_and_no_terminal_is_commanded_by_it() {
    let fake = Fake::start(answer).await;
    let user = User::new();
    user.file("specs/login.md", "# Login\n");
    for command in COMMANDS {
        let asked = [command, &["--json", "--color", "always"]].concat();
        let ended = user.at(&fake.addr, &asked).await;
        let what = command.join(" ");
        assert!(!ended.out.is_empty(), "{what}: {}", ended.err);
        for line in ended.out.lines() {
            assert!(!line.contains(char::is_control), "{what}: {line:?}");
            let whole: Value = serde_json::from_str(line).expect("JSON");
            assert!(has(&whole, EVIL), "{what} has lost it: {line}");
        }
    }
}

/// Whether a text in there ends so.
fn has(value: &Value, end: &str) -> bool {
    match value {
        Value::String(text) => text.ends_with(end),
        Value::Array(items) => items.iter().any(|item| has(item, end)),
        Value::Object(fields) => fields.values().any(|field| has(field, end)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_says_of_an_error_or_of_itself_is_as_harmless() {
    let fake = Fake::start(|_| refusal(422, "bad", &format!("no{EVIL}"), &format!("do{EVIL}")));
    let fake = fake.await;
    let user = User::new();
    let ended = user.at(&fake.addr, &["list", "--color", "always"]).await;
    is_harmless("an error", &ended);
    let health = json!({ "service": "loopd", "version": evil("0.0") });
    let (addr, _) = raw(vec![http("200 OK", &health.to_string())]).await;
    let ended = User::new()
        .at(&addr, &["doctor", "--color", "always"])
        .await;
    is_harmless("doctor", &ended);
}
