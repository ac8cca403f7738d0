//! What a person sees: ages, and text that cannot play tricks.

use agent_loop::api::wire::Run;
use agent_loop::cli::client::unreachable::parse_timeout;
use agent_loop::cli::commands::doctor::tools::git_version;
use agent_loop::cli::render;
use agent_loop::cli::render::text::{Pieces, plain};
use agent_loop::cli::render::time::{age, until};
use agent_loop::cli::workspace::{inside, root_of};
use jiff::Timestamp;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

#[test]
fn an_age_has_one_unit() {
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (172_799, "47h"),
        (172_800, "2d"),
    ] {
        assert_eq!(age(at(1_000_000 + seconds), at(1_000_000)), text);
        assert_eq!(until(at(1_000_000), at(1_000_000 + seconds)), text);
    }
    assert_eq!(age(at(0), at(10)), "0s", "a clock that has gone backwards");
}

#[test]
fn one_line_stays_one_line() {
    assert_eq!(plain("a\tb\r\nc\u{1b}[1md\u{0}"), "a b cd\u{fffd}");
}

#[test]
fn sequences_go_wherever_they_are_cut() {
    let text = "a\u{1b}[1;31mb\u{1b}]0;title\u{7}c\u{1b}]8;;x\u{1b}\\d\u{1b}(Be\u{1b}[\nf\u{1b}]0;✓ unfinished\ng";
    for (at, _) in text.char_indices() {
        let mut pieces = Pieces::default();
        let out = pieces.next(&text[..at]) + &pieces.next(&text[at..]);
        assert_eq!(out, "abcde\nf\ng", "cut at {at}");
    }
}

proptest! {
    #[test]
    fn never_a_control_character_passes(text in "(.|\n|\u{1b}[\\[\\]PX^_()]?|\u{7}|\u{9b}|é|✓|;){0,40}", cut in any::<prop::sample::Index>()) {
        prop_assert!(!plain(&text).chars().any(char::is_control));
        let at = text.char_indices().map(|(at, _)| at).nth(cut.index(text.chars().count() + 1)).unwrap_or(text.len());
        let mut pieces = Pieces::default();
        let out = pieces.next(&text[..at]) + &pieces.next(&text[at..]);
        prop_assert!(out.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }
}

#[test]
fn a_timeout_is_written_like_a_person_writes_it() {
    assert_eq!(parse_timeout("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_timeout("1m30s"), Ok(Duration::from_secs(90)));
    for bad in ["", "5", "soon", "-5s"] {
        assert!(parse_timeout(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_version_of_git_is_read_from_what_it_says() {
    assert_eq!(git_version("git version 2.39.5"), Some((2, 39)));
    assert_eq!(
        git_version("git version 2.50.1 (Apple Git-155)"),
        Some((2, 50))
    );
    assert_eq!(git_version("git version 3.0-rc1"), Some((3, 0)));
    assert_eq!(git_version("hub version 2.14"), None);
}

#[test]
fn a_workspace_is_found_upwards_and_paths_are_told_relative_to_it() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let deep = dir.path().join("a/b");
    std::fs::create_dir_all(&deep).expect("directories");
    std::fs::write(dir.path().join(".git"), "gitdir: elsewhere").expect("a linked worktree");
    assert_eq!(root_of(&deep), dir.path());
    let root = Path::new("/w");
    let told = |typed: &str| inside(root, Path::new("/w/sub"), Path::new(typed));
    assert_eq!(told("x.md"), PathBuf::from("sub/x.md"));
    assert_eq!(told(".././x.md"), PathBuf::from("x.md"));
    assert_eq!(told("/w/y/x.md"), PathBuf::from("y/x.md"));
    assert_eq!(
        told("../../x.md"),
        PathBuf::from("/x.md"),
        "outside: the daemon refuses it"
    );
}

#[test]
fn a_completed_run_that_no_check_proved_says_so() {
    let mut json = super::fake::run("completed", "COMPLETED");
    json["unverified"] = true.into();
    let run: Run = serde_json::from_value(json).expect("a run");
    assert!(render::run::why(&run).starts_with("unverified"));
    let json = super::fake::run("completed", "COMPLETED");
    let run: Run = serde_json::from_value(json).expect("a run");
    assert_eq!(render::run::why(&run), "");
}

#[test]
fn a_list_says_what_has_become_of_an_ended_run() {
    let told = |changes: serde_json::Value| {
        let mut json = super::fake::run("completed", "COMPLETED");
        let fields = changes.as_object().expect("fields").clone();
        json.as_object_mut().expect("a run").extend(fields);
        let run: Run = serde_json::from_value(json).expect("a run");
        render::run::list(&[run], at(0)).join("\n")
    };
    let failure = serde_json::json!({ "code": "agent_auth", "message": "no key" });
    let merged = told(serde_json::json!({ "review_status": "merged", "merge_commit": "4f2a" }));
    assert!(merged.contains("merged as 4f2a"), "{merged}");
    let asked = serde_json::json!({ "review_status": "pr_created", "pr_url": "https://forge.example/7", "failure": failure });
    let asked = told(asked);
    assert!(asked.contains("agent_auth: no key"), "{asked}");
    let scrapped = told(serde_json::json!({ "review_status": "scrapped", "failure": failure }));
    assert!(scrapped.contains("scrapped"), "{scrapped}");
    assert!(!scrapped.contains("agent_auth"), "{scrapped}");
}

fn run_with(state: &str, status: &str, changes: serde_json::Value) -> Run {
    let mut json = super::fake::run(state, status);
    let fields = changes.as_object().expect("fields").clone();
    json.as_object_mut().expect("a run").extend(fields);
    serde_json::from_value(json).expect("a run")
}

#[test]
fn a_run_is_called_unverified_when_it_has_completed_and_not_before() {
    for (state, status) in [
        ("queued", "PENDING"),
        ("running", "RUNNING"),
        ("canceled", "CANCELED"),
    ] {
        let run = run_with(state, status, serde_json::json!({ "unverified": true }));
        assert_eq!(render::run::why(&run), "", "{state}");
    }
}

#[test]
fn a_long_reason_is_cut_in_a_list_and_whole_where_one_run_is_shown() {
    let long = "because ".repeat(20);
    let failure = serde_json::json!({ "code": "agent_failed", "message": long });
    let run = run_with(
        "failed",
        "FAILED",
        serde_json::json!({ "failure": failure }),
    );
    let whole = render::run::whole(&run, at(0)).join("\n");
    assert!(whole.contains(&long), "{whole}");
    let line = render::run::list(&[run], at(0)).join("\n");
    let shown: String = format!("agent_failed: {long}").chars().take(60).collect();
    assert!(line.contains(&format!("{shown}…")), "{line}");
}

#[test]
fn what_became_of_an_analysis_stands_beside_its_run() {
    let told = |ended: Option<&str>, written: bool, failure: Option<&str>| {
        let analysis = serde_json::json!({ "began_at": "2026-11-20T10:00:00Z", "ended_at": ended,
            "written": written, "failure": failure });
        let run = run_with(
            "completed",
            "COMPLETED",
            serde_json::json!({ "postmortem": analysis }),
        );
        let lines = render::run::whole(&run, at(0));
        let line = lines.into_iter().find(|line| line.contains("analysis"));
        plain(&line.expect("a line"))
    };
    let over = Some("2026-11-20T10:01:00Z");
    assert!(told(None, false, None).ends_with(" at work"));
    assert!(told(over, true, None).ends_with(" a summary, and a report"));
    assert!(told(over, false, None).ends_with(" a summary"));
    assert!(told(over, false, Some("no key")).ends_with(" a summary, no report: no key"));
}

#[test]
fn what_steps_could_write_is_said_once_and_what_went_wrong_has_its_colour() {
    let step = |lacks: &[&str]| {
        let step = serde_json::json!({
            "id": super::fake::RUN, "run_id": super::fake::RUN, "phase": "implementation", "status": "SUCCEEDED",
            "attempt": 1, "iteration": 1, "started_at": null, "ended_at": null, "exit_code": 0,
            "agent": null, "prompt_path": null, "output_path": null,
            "confinement": { "level": "partial", "landlock_abi": 3, "lacks": lacks } });
        serde_json::from_value(step).expect("a step")
    };
    let steps = [step(&["signals", "sockets"]), step(&["signals"])];
    assert_eq!(
        render::run::lacks(&steps),
        ["confined in part: signals", "confined in part: sockets"]
    );

    let red = render::style::paint(render::style::BAD, "RUN_FAILED");
    let line = |kind: &str, payload: serde_json::Value| {
        let event = serde_json::json!({ "seq": 1, "type": kind, "run_id": null,
            "at": "2026-11-20T10:00:00Z", "payload": payload });
        render::event::line(&serde_json::from_value(event).expect("an event"))
    };
    let failed = line("RUN_FAILED", serde_json::json!({}));
    assert!(failed.contains(&red), "{failed:?}");
    let long = "x".repeat(121);
    let cut = line("OTHER", serde_json::json!({ "a": long, "b": long[1..] }));
    let shown = format!("{}…", &long[1..]);
    assert_eq!(cut.matches('…').count(), 1, "{cut}");
    assert!(cut.contains(&shown), "{cut}");
}
