//! The files of a run: whatever its end, they are there, well-formed, registered, and in nobody's way.

use std::collections::BTreeSet;
use std::path::Path;

use agent_loop::core::handover;
use agent_loop::core::run::{Event, RunId, State};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile};

const COLUMNS: [&str; 11] = [
    "timestamp_ms",
    "kind",
    "iteration",
    "duration_ms",
    "exit_code",
    "output_bytes",
    "output_lines",
    "output_path",
    "message",
    "tasks_done",
    "tasks_total",
];

/// The kinds of the report's rows, after a look at each of them.
fn kinds(report: &str) -> Vec<String> {
    let mut lines = report.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    assert_eq!(header, COLUMNS);
    let mut kinds = Vec::new();
    for line in lines {
        let row: Vec<&str> = line.split('\t').collect();
        assert_eq!(row.len(), COLUMNS.len(), "{line}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{line}");
        for (cell, name) in row.iter().zip(COLUMNS) {
            let number = !["kind", "output_path", "message", "exit_code"].contains(&name);
            assert!(!number || cell.parse::<u64>().is_ok(), "{name} in {line}");
        }
        kinds.push(row[1].to_owned());
    }
    kinds
}

/// The summary, after a look at its keys.
fn summary(house: &House, id: &RunId) -> Value {
    let summary: Value = serde_json::from_str(&house.file(id, "summary.json")).expect("JSON");
    for key in [
        "run_id",
        "start_ms",
        "end_ms",
        "total_duration_ms",
        "iterations_run",
        "completed_iteration",
        "avg_duration_ms",
        "last_exit_code",
        "completion_mode",
        "model",
        "exit_reason",
        "run_log",
        "run_report",
        "prompt_snapshot",
        "last_iteration_tail",
        "last_iteration_log",
    ] {
        assert!(summary.get(key).is_some(), "{key} is missing in {summary}");
    }
    assert_eq!(summary["run_id"], id.0);
    summary
}

/// How many files are registered, after a look whether each is as it is registered.
async fn registered(house: &House, id: &RunId) -> usize {
    let artifacts = house.reader.artifacts(id).await.expect("artifacts");
    for artifact in &artifacts {
        let content = std::fs::read(&artifact.path).expect("the file");
        let sum: String = Sha256::digest(&content)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            (&artifact.sha256, artifact.bytes),
            (&sum, content.len() as u64),
            "{}",
            artifact.path
        );
    }
    artifacts.len()
}

/// The names of all files below a directory.
fn names(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if let Ok(name) = entry.path().strip_prefix(dir) {
                found.insert(name.display().to_string());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_completed_run_leaves_registered_files_in_both_places_and_a_clean_status() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, None, json!({ "verify_cmds": ["echo fine", "true"] }))
        .await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(
        kinds(&house.file(&id, "report.tsv")),
        [
            "RUN_START",
            "ITERATION_START",
            "ITERATION_END",
            "COMPLETE_DETECTED",
            "REVIEW_START",
            "REVIEW_END",
            "VERIFY_START",
            "VERIFY_CMD_END",
            "VERIFY_CMD_END",
            "VERIFY_END",
            "RUN_END",
        ]
    );
    let told = summary(&house, &id);
    assert_eq!(told["exit_reason"], "complete_plan");
    assert_eq!(
        (&told["iterations_run"], &told["completed_iteration"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(told["last_exit_code"], 0);
    for key in [
        "run_log",
        "run_report",
        "prompt_snapshot",
        "last_iteration_tail",
        "last_iteration_log",
    ] {
        let path = told[key].as_str().unwrap_or_default();
        assert!(Path::new(path).is_file(), "{key}: {path}");
    }

    let own: BTreeSet<String> = names(&house.dir(&id))
        .into_iter()
        .filter(|n| !n.starts_with("steps/") && !n.starts_with("state/") && n != "worktree.lock")
        .collect();
    let mirror = repo.root.join(format!("logs/loop/run-{id}"));
    assert_eq!(names(&mirror), own, "the workspace has the same files");
    for name in [
        "prompt.txt",
        "review-prompt.txt",
        "iter-01-impl.log",
        "iter-01-impl.jsonl",
        "iter-01-impl.tail.txt",
        "iter-01-review.log",
        "review-diff.json",
        "verify/verify-01-1.log",
        "verify/verify-01-2.log",
        "run.log",
    ] {
        assert!(own.contains(name), "{name} is not among {own:?}");
    }
    let diff: Value = serde_json::from_str(&house.file(&id, "review-diff.json")).expect("JSON");
    assert_eq!(diff["files"], json!(["specs/planning/thing-plan.md"]));
    assert!(
        diff["diff"]
            .as_str()
            .is_some_and(|d| d.contains("+- [x] first thing"))
    );
    assert_eq!(registered(&house, &id).await, 2 * own.len());
    assert_eq!(repo.checkout().2, "", "git status shows none of it");
    let exclude = std::fs::read_to_string(repo.root.join(".git/info/exclude")).expect("a file");
    assert_eq!(
        exclude.lines().filter(|l| l.contains("logs/loop")).count(),
        1
    );
}

#[tokio::test]
async fn a_failed_run_says_why_in_its_files() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ say = \"a\\tb\" }, { exit = 7 }]\n";
    let id = house
        .create(&repo, Some(script), json!({ "agent_retries": 0 }))
        .await;
    house.failed(&id, "agent_failed").await;
    house.settled(&id).await;
    let told = summary(&house, &id);
    assert_eq!(told["exit_reason"], "agent_failed");
    assert_eq!(told["last_exit_code"], 7);
    assert_eq!(told["completed_iteration"], Value::Null);
    let kinds = kinds(&house.file(&id, "report.tsv"));
    assert_eq!(
        kinds,
        ["RUN_START", "ITERATION_START", "ITERATION_END", "RUN_END"]
    );
}

#[tokio::test]
async fn exhausted_iterations_are_an_exit_reason_of_their_own() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ say = \"hm\" }]\n";
    let id = house
        .create(&repo, Some(script), json!({ "iterations": 1 }))
        .await;
    house.failed(&id, "iterations_exhausted").await;
    house.settled(&id).await;
    assert_eq!(summary(&house, &id)["exit_reason"], "iterations_exhausted");
}

#[tokio::test]
async fn a_canceled_run_has_its_files_even_if_it_never_began() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let first = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let second = house.create(&repo, None, json!({})).await;
    for id in [&second, &first] {
        let _ = house.operate(id, Event::Cancel).await;
        house.settled(id).await;
        assert_eq!(summary(&house, id)["exit_reason"], "canceled");
    }
    assert_eq!(kinds(&house.file(&second, "report.tsv")), ["RUN_END"]);
    assert_eq!(summary(&house, &second)["start_ms"], Value::Null);
    assert_eq!(repo.checkout().2, "");
}

#[tokio::test]
async fn files_are_kept_where_the_configuration_says() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, None, json!({ "artifact_mode": "global" }))
        .await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert!(!repo.root.join("logs").exists());
    let settings =
        json!({ "artifact_mode": "workspace", "log_dir": "out/größe", "merge_strategy": "none" });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert!(!house.dir(&id).join("summary.json").exists());
    assert!(
        repo.root
            .join(format!("out/größe/run-{id}/summary.json"))
            .is_file()
    );
    assert_eq!(repo.checkout().2, "");
}

#[tokio::test]
async fn nobody_else_may_enter_a_directory_of_a_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, None, json!({ "verify_cmds": ["true"] }))
        .await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let mirrored = repo.root.join("logs/loop").join(format!("run-{id}"));
    for dir in [
        house.data.join("runs"),
        house.dir(&id),
        house.dir(&id).join("steps"),
        house.dir(&id).join("steps/1"),
        house.dir(&id).join("verify"),
        mirrored.clone(),
        mirrored.join("verify"),
    ] {
        let mode = std::fs::metadata(&dir).expect("a directory").permissions();
        let mode = mode.mode() & 0o777;
        assert_eq!(mode, 0o700, "{} has {mode:o}", dir.display());
    }
}

#[tokio::test]
async fn a_run_that_ends_before_there_was_any_leaves_a_clean_status() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let id = house.create(&repo, None, json!({})).await;
    let _ = house.operate(&id, Event::Cancel).await;
    house.settled(&id).await;
    assert_eq!(kinds(&house.file(&id, "report.tsv")), ["RUN_END"]);
    assert!(repo.root.join("logs/loop").is_dir(), "they are mirrored");
    assert_eq!(repo.checkout().2, "");
}

#[tokio::test]
async fn the_row_that_ends_a_verification_says_how_long_all_its_checks_took() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "verify_cmds": ["sleep 0.05", "false"], "iterations": 1 });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Failed).await;
    house.settled(&id).await;
    let report = house.file(&id, "report.tsv");
    let durations = |kind: &str| -> Vec<u64> {
        let rows = report
            .lines()
            .map(|row| row.split('\t').collect::<Vec<_>>());
        let of_kind = rows.filter(|row| row[1] == kind);
        of_kind.map(|row| row[3].parse().expect("ms")).collect()
    };
    let checks = durations("VERIFY_CMD_END");
    assert!(checks.len() == 2 && checks[0] >= 50, "{report}");
    assert_eq!(durations("VERIFY_END"), [checks.iter().sum::<u64>()]);
}

#[tokio::test]
async fn what_a_person_does_after_the_end_stands_in_the_log_and_is_registered() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let before = registered(&house, &id).await;
    house.handed(&id, handover::Event::Merge).await;
    let log = house.file(&id, "run.log");
    assert!(log.contains(" merged into agent/thing as "), "{log}");
    let mirror = repo.root.join(format!("logs/loop/run-{id}/run.log"));
    assert_eq!(std::fs::read_to_string(mirror).expect("a mirror"), log);
    assert_eq!(registered(&house, &id).await, before);
}
