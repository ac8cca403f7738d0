//! The whole of it, with the two agents that are used most: a spec of four tasks, of which the review sends one back, the
//! checks another, and one leaves something uncommitted. What git holds in the end is exactly what was decided on the
//! way, and events, steps, report and summary all tell the same.

use agent_loop::core::run::{RunId, State};
use agent_loop::core::step;
use agent_loop::store::StoredRun;
use serde_json::{Value, json};

use super::Stage;
use crate::support::agents::{self, Answer, Asked, COMPLETE, Model, Mood};
use crate::support::{House, Repository};

const PLAN: &str =
    "# Plan\n\n- [ ] first thing\n- [ ] second thing\n- [ ] third thing\n- [ ] fourth thing\n";
/// What the reviewer finds.
const FINDING: &str = "draft.txt: a draft is no thing";
/// What the check prints that fails.
const BROKEN: &str = "broken.txt is broken";

/// What the model does, read off each request: the second task as a draft until that is found, the fourth one broken
/// until that is told.
fn play(asked: &Asked) -> Answer {
    if asked.is_review() {
        return review(asked);
    }
    if asked.worked {
        return asked.report();
    }
    let command = match asked.task() {
        Some("second thing") if asked.whole.contains(FINDING) => asked.tick_and(
            "git rm --quiet draft.txt && echo second >> work.txt",
            "Do the second thing well",
        ),
        Some("second thing") => {
            asked.tick_and("echo second > draft.txt", "Do the second thing in a hurry")
        }
        Some("third thing") => format!(
            "{}; echo left > left.txt",
            asked.tick_and("echo third >> work.txt", "Do the third thing")
        ),
        Some("fourth thing") => asked.tick_and(
            "echo fourth >> work.txt && touch broken.txt",
            "Do the fourth thing",
        ),
        Some(_) => asked.tick_and("echo first >> work.txt", "Do the first thing"),
        None if asked.whole.contains(BROKEN) => format!(
            "git rm --quiet broken.txt && git commit --quiet -m 'Mend what was broken'; {}",
            asked.look()
        ),
        None => return Answer::Say(format!("Nothing is missing.{COMPLETE}")),
    };
    asked.run(&command)
}

/// The reviewer looks for itself, with a tool.
fn review(asked: &Asked) -> Answer {
    if !asked.worked {
        return asked
            .run("if test -e draft.txt; then printf 'STILL_%s\\n' DRAFT; else git log -n 1; fi");
    }
    if asked.whole.contains("STILL_DRAFT") {
        return Answer::Say(format!(
            "It is not done.\n\nCHANGES REQUESTED\n\n- {FINDING}"
        ));
    }
    agents::approve()
}

async fn do_four_tasks(settings: impl FnOnce(&Repository, &Model) -> Option<Value>) {
    let check = format!("test ! -e broken.txt || {{ echo '{BROKEN}'; exit 1; }}");
    let more = json!({ "verify_cmds": [check, "test -f work.txt"] });
    let Some(stage) = Stage::set(PLAN, Mood::plays(play), settings, more).await else {
        return;
    };
    let (repo, house, id) = (&stage.repo, &stage.house, &stage.id);
    let before = repo.checkout();
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{:?}\n{story}", run.facts);
    house.settled(id).await;
    assert_commits(repo, &run);
    assert_eq!(repo.checkout(), before, "the user's checkout is as it was");
    assert_events_and_steps(house, id, &run).await;
    assert_files(house, id, &run);
    house.check().await;
}

/// The commits of the run branch, oldest first, with their marks; and the one of the target.
fn assert_commits(repo: &Repository, run: &StoredRun) {
    let worktree = run.facts.worktree.as_ref().expect("a worktree");
    let log = repo.git(&[
        "log",
        "--reverse",
        "--format=%s%(trailers:key=Loopd-Kind,valueonly,separator=)",
        &format!("main..{}", worktree.run_branch),
    ]);
    let marked = |subject: &str, kind: &str| format!("{subject}{kind}");
    assert_eq!(
        log.lines().collect::<Vec<_>>(),
        [
            "Do the first thing".to_owned(),
            marked("Mark the reviewed tasks", "plan"),
            "Do the second thing in a hurry".to_owned(),
            marked("Reopen the tasks that were sent back", "plan"),
            "Do the second thing well".to_owned(),
            marked("Mark the reviewed tasks", "plan"),
            "Do the third thing".to_owned(),
            marked("Keep what iteration 4 left uncommitted", "leftovers"),
            marked("Mark the reviewed tasks", "plan"),
            "Do the fourth thing".to_owned(),
            marked("Mark the reviewed tasks", "plan"),
            "Mend what was broken".to_owned(),
        ]
    );
    let target = "agent/thing";
    assert_eq!(
        repo.git(&["rev-list", "--count", &format!("main..{target}")]),
        "1",
        "one squash commit"
    );
    assert_eq!(
        Some(repo.git(&["rev-parse", target])),
        run.facts.merge_commit
    );
    let tree = |revision: &str| repo.git(&["rev-parse", &format!("{revision}^{{tree}}")]);
    assert_eq!(
        tree(target),
        tree(&worktree.run_branch),
        "what was proved is what was merged"
    );
    assert_eq!(Some(tree(target)), run.facts.verified_tree);
    let files = repo.git(&["ls-tree", "-r", "--name-only", target]);
    assert_eq!(
        files.lines().collect::<Vec<_>>(),
        [
            "left.txt",
            "specs/planning/thing-plan.md",
            "specs/thing.md",
            "work.txt"
        ]
    );
    assert_eq!(repo.at(target, "work.txt"), "first\nsecond\nthird\nfourth");
    assert_eq!(
        repo.at(target, "specs/planning/thing-plan.md"),
        PLAN.trim_end().replace("[ ]", "[R]")
    );
}

async fn assert_events_and_steps(house: &House, id: &RunId, run: &StoredRun) {
    let story = house.story(id).await;
    let words = |told: Vec<Value>, key: &str| -> Vec<Value> {
        told.into_iter()
            .map(|payload| payload[key].clone())
            .collect()
    };
    assert_eq!(
        words(house.told(id, "REVIEW_FINISHED").await, "verdict"),
        [
            "approved",
            "changes_requested",
            "approved",
            "approved",
            "approved",
            "approved"
        ]
    );
    assert_eq!(
        words(house.told(id, "VERIFICATION_FINISHED").await, "passed"),
        [true, true, true, true, false, true]
    );
    assert_eq!(
        words(house.told(id, "MERGE_FINISHED").await, "commit"),
        [json!(run.facts.merge_commit)]
    );
    assert_eq!(house.told(id, "RUN_COMPLETED").await.len(), 1, "{story}");
    let round = " running verifying watchdog".repeat(6);
    assert_eq!(
        house.path(id).await,
        format!("queued{round} merging completed")
    );

    let steps = house.reader.steps(id).await.expect("steps");
    let phases: Vec<&str> = steps.iter().map(|s| s.phase.as_str()).collect();
    let mut wanted = ["implementation", "review", "verification", "watchdog"].repeat(6);
    wanted.push("merge");
    assert_eq!(phases, wanted);
    for step in &steps {
        let failed = step.phase == "verification" && step.iteration == 5;
        let state = if failed {
            step::State::Failed
        } else {
            step::State::Succeeded
        };
        assert_eq!(step.state, state, "{step:?}");
        assert_eq!(step.attempt, 1, "{step:?}");
    }
    let begun = words(house.told(id, "STEP_STARTED").await, "step_id");
    let ended = house.told(id, "STEP_FINISHED").await;
    let ids: Vec<Value> = steps.iter().map(|s| json!(s.id)).collect();
    assert_eq!(begun, ids, "each step was told when it began");
    assert_eq!(words(ended.clone(), "step_id"), ids, "and when it ended");
    let exits: Vec<Value> = steps.iter().map(|s| json!(s.facts.exit_code)).collect();
    assert_eq!(words(ended, "exit_code"), exits);
}

/// Report and summary, read by the contract of their files alone.
fn assert_files(house: &House, id: &RunId, run: &StoredRun) {
    let report = house.file(id, "report.tsv");
    let mut lines = report.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    let column = |name: &str| names.iter().position(|n| *n == name).expect("a column");
    let cell = |row: &Vec<&str>, name: &str| row[column(name)].to_owned();
    let kinds: Vec<String> = rows.iter().map(|row| cell(row, "kind")).collect();
    let mut wanted = vec!["RUN_START"];
    for iteration in 1..=6 {
        wanted.extend(["ITERATION_START", "ITERATION_END"]);
        if iteration > 4 {
            wanted.push("COMPLETE_DETECTED");
        }
        wanted.extend(["REVIEW_START", "REVIEW_END", "VERIFY_START"]);
        wanted.extend(["VERIFY_CMD_END", "VERIFY_CMD_END", "VERIFY_END"]);
    }
    wanted.push("RUN_END");
    assert_eq!(kinds, wanted, "{report}");
    let of = |kind: &str, name: &str| -> Vec<String> {
        let wanted = rows.iter().filter(|row| cell(row, "kind") == kind);
        wanted.map(|row| cell(row, name)).collect()
    };
    assert_eq!(
        of("ITERATION_END", "iteration"),
        ["1", "2", "3", "4", "5", "6"]
    );
    assert_eq!(of("ITERATION_END", "exit_code"), ["0"; 6]);
    assert_eq!(
        of("ITERATION_END", "tasks_done"),
        ["1", "2", "2", "3", "4", "4"]
    );
    assert_eq!(
        of("REVIEW_END", "tasks_done"),
        ["1", "1", "2", "3", "4", "4"]
    );
    assert_eq!(
        of("VERIFY_END", "exit_code"),
        ["0", "0", "0", "0", "1", "0"]
    );
    assert_eq!(of("RUN_END", "tasks_done"), ["4"]);
    assert_eq!(of("RUN_END", "tasks_total"), ["4"]);
    for path in of("ITERATION_END", "output_path") {
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
    let times: Vec<u64> = rows
        .iter()
        .map(|row| cell(row, "timestamp_ms").parse().expect("a time"))
        .collect();
    assert!(times.is_sorted(), "{report}");

    let summary: Value = serde_json::from_str(&house.file(id, "summary.json")).expect("JSON");
    for (key, value) in [
        ("run_id", json!(id)),
        ("exit_reason", json!("complete_plan")),
        ("iterations_run", json!(6)),
        ("completed_iteration", json!(6)),
        ("last_exit_code", json!(0)),
        ("completion_mode", json!("trailing")),
        ("start_ms", json!(run.facts.started_at)),
        ("end_ms", json!(run.facts.ended_at)),
    ] {
        assert_eq!(summary[key], value, "{key} in {summary}");
    }
    let total = summary["total_duration_ms"].as_u64().expect("a duration");
    assert_eq!(of("RUN_END", "duration_ms"), [total.to_string()]);
    assert_eq!(summary["avg_duration_ms"], total / 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_four_tasks_of_which_the_review_and_the_checks_send_one_back_each() {
    do_four_tasks(agents::claude).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_does_four_tasks_of_which_the_review_and_the_checks_send_one_back_each() {
    do_four_tasks(agents::codex).await;
}
