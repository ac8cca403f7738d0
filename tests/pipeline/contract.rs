//! `report.tsv` and `summary.json` as a script reads them that knows nothing but what is promised of them: columns, kinds,
//! fields and reasons. For every way in which a run can end.

use std::collections::BTreeMap;
use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{House, Repository, Turnstile};

const COLUMNS: &str = "timestamp_ms kind iteration duration_ms exit_code output_bytes output_lines output_path message tasks_done tasks_total";
const KINDS: &str = "RUN_START ITERATION_START ITERATION_END REVIEW_START REVIEW_END VERIFY_START VERIFY_CMD_END VERIFY_END WATCHDOG_REWRITE COMPLETE_DETECTED RUN_END";
const REASONS: &str = "complete_plan iterations_exhausted agent_failed failed canceled";

/// One row, by column.
type Row<'a> = BTreeMap<&'a str, &'a str>;

fn rows(report: &str) -> Vec<Row<'_>> {
    let mut lines = report.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    assert_eq!(columns.join(" "), COLUMNS);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), columns.len(), "{line}");
            columns.iter().copied().zip(cells).collect()
        })
        .collect()
}

fn number(row: &Row<'_>, column: &str) -> u64 {
    let cell = row[column];
    cell.parse()
        .unwrap_or_else(|_| panic!("{column} is `{cell}` in {row:?}"))
}

/// Looks at the report of an ended run; its kinds, in order.
fn report(house: &House, id: &RunId) -> Vec<String> {
    let text = house.file(id, "report.tsv");
    let rows = rows(&text);
    let mut last = 0;
    for row in &rows {
        assert!(row.values().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(KINDS.split(' ').any(|kind| kind == row["kind"]), "{row:?}");
        for column in ["iteration", "duration_ms", "output_lines"] {
            number(row, column);
        }
        assert!(row["exit_code"] == "-" || row["exit_code"].parse::<i32>().is_ok());
        let (done, total) = (number(row, "tasks_done"), number(row, "tasks_total"));
        assert!(done <= total && total == 1, "{row:?}");
        let at = number(row, "timestamp_ms");
        assert!(at >= last && at > 1_600_000_000_000, "{row:?}");
        last = at;
        if row["output_path"] != "-" {
            assert!(Path::new(row["output_path"]).is_file(), "{row:?}");
        }
        if row["kind"] == "VERIFY_CMD_END" {
            let log = std::fs::read(row["output_path"]).expect("the log of the check");
            assert_eq!(number(row, "output_bytes"), log.len() as u64);
            let lines = String::from_utf8_lossy(&log).lines().count() as u64;
            assert_eq!(number(row, "output_lines"), lines);
        }
    }
    let kinds: Vec<String> = rows.iter().map(|row| row["kind"].to_owned()).collect();
    assert_eq!(kinds.last().map(String::as_str), Some("RUN_END"));
    for begin in [
        "RUN_START",
        "ITERATION_START",
        "REVIEW_START",
        "VERIFY_START",
    ] {
        let end = begin.replace("START", "END");
        let count = |kind: &str| kinds.iter().filter(|it| *it == kind).count();
        assert!(count(begin) <= count(&end) + 1, "{kinds:?}");
    }
    kinds
}

/// Looks at the summary of an ended run; what it says.
fn summary(house: &House, id: &RunId) -> Value {
    let text = house.file(id, "summary.json");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let field = |name: &str| {
        all.get(name)
            .unwrap_or_else(|| panic!("{name} is missing in {all}"))
    };
    assert_eq!(field("run_id"), &json!(id.0));
    let time = |name: &str| field(name).as_u64();
    let (start, end) = (time("start_ms"), time("end_ms").expect("it has ended"));
    let total = time("total_duration_ms");
    assert_eq!(total, start.map(|start| end - start));
    let run = time("iterations_run").expect("a number");
    let average = total.and_then(|total| total.checked_div(run));
    assert_eq!(time("avg_duration_ms"), average);
    assert!(field("last_exit_code").is_null() || field("last_exit_code").is_i64());
    assert!(
        ["trailing", "exact"]
            .iter()
            .any(|mode| field("completion_mode") == mode)
    );
    assert!(field("model").is_null() || field("model").is_string());
    let reason = field("exit_reason").as_str().expect("a word");
    assert!(REASONS.split(' ').any(|it| it == reason), "{reason}");
    let completed = field("completed_iteration").as_u64();
    assert_eq!(completed, (reason == "complete_plan").then_some(run));
    for name in ["run_log", "run_report"] {
        let path = field(name).as_str().expect("a path");
        assert!(Path::new(path).is_file(), "{name}: {path}");
    }
    assert!(field("prompt_snapshot").is_string());
    for name in ["last_iteration_tail", "last_iteration_log"] {
        assert_eq!(field(name).is_string(), run > 0, "{name}");
    }
    all
}

/// Both of one run that has ended.
async fn read(house: &House, id: &RunId) -> (Value, Vec<String>) {
    house.settled(id).await;
    (summary(house, id), report(house, id))
}

#[tokio::test]
async fn every_end_of_a_run_can_be_read_by_who_knows_only_what_is_promised() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let said = "[[turn]]\nsteps = [{ say = \"hm\" }]\n";
    let crash = "[[turn]]\nsteps = [{ exit = 7 }]\n[[turn]]\nsteps = [{ exit = 9 }]\n";
    let auth = "[[turn]]\nsteps = [\"auth\"]\n";
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let waits = stile.turn();
    let work = json!({ "verify_cmds": ["printf 'a\\nb'", "echo c"], "model": "large" });
    for (script, settings, state, reason, code) in [
        (None, work, State::Completed, "complete_plan", json!(0)),
        (
            Some(said),
            json!({ "iterations": 1 }),
            State::Failed,
            "iterations_exhausted",
            json!(0),
        ),
        (
            Some(crash),
            json!({ "agent_retries": 1, "agent_retry_backoff_sec": 0 }),
            State::Failed,
            "agent_failed",
            json!(9),
        ),
        (
            Some(auth),
            json!({}),
            State::Failed,
            "agent_failed",
            json!(1),
        ),
        (
            None,
            json!({ "verify_cmds": ["false"], "max_consecutive_verification_failures": 1 }),
            State::Failed,
            "failed",
            json!(0),
        ),
        (
            Some(waits.as_str()),
            json!({}),
            State::Canceled,
            "canceled",
            Value::Null,
        ),
    ] {
        let mut settings = settings;
        let proved_by_nothing = settings.get("verify_cmds").is_none();
        settings["merge_strategy"] = json!("none");
        settings["completion_mode"] = json!("trailing");
        let id = house.create(&repo, script, settings).await;
        if state == State::Canceled {
            stile.somebody().await;
            let _ = house.operate(&id, Event::Cancel).await;
        }
        house.rests(&id, state).await;
        let (said, kinds) = read(&house, &id).await;
        assert_eq!(said["exit_reason"], reason, "{kinds:?}");
        // Of the agent's last call, whatever came after it.
        assert_eq!(said["last_exit_code"], code, "{reason}");
        assert_eq!(said["unverified"], proved_by_nothing, "{reason}");
        assert_eq!(kinds[..2], ["RUN_START", "ITERATION_START"], "{reason}");
    }
}

#[tokio::test]
async fn rewritten_prompts_stand_in_the_report_and_beside_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let said = "[[turn]]\nsteps = [{ say = \"hm\" }]\n";
    let settings = json!({ "reviewer": false, "max_rewrites": 1 });
    let id = house.create(&repo, Some(said), settings).await;
    house.rests(&id, State::Paused).await;
    let _ = house.operate(&id, Event::Cancel).await;
    let (said, kinds) = read(&house, &id).await;
    assert_eq!(said["exit_reason"], "canceled");
    assert_eq!(
        kinds.iter().filter(|it| *it == "WATCHDOG_REWRITE").count(),
        1
    );
    assert!(house.dir(&id).join("prompt.rewrite.1.txt").is_file());
    let files = house.reader.artifacts(&id).await.expect("artifacts");
    let rewrites = files.iter().filter(|it| it.kind == "rewrite");
    let places: Vec<&str> = rewrites.map(|it| it.location.as_str()).collect();
    assert_eq!(places, ["global", "workspace"], "{files:?}");
}
