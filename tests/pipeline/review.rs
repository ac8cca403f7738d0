//! The review: a rejection reopens what was ticked and comes back as findings; approval gives `[R]`, and nobody else does.

use agent_loop::core::run::State;
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository};

const PLAN: &str = "specs/planning/thing-plan.md";

#[tokio::test]
async fn a_rejection_reopens_the_box_and_its_findings_are_in_the_next_prompt() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "greet.sh greets nobody" } }]
    "#;
    let settings = json!({ "merge_strategy": "none", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 3);
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog running verifying watchdog running verifying watchdog completed",
        "a rejection goes on to the checks, too"
    );
    let prompts = house.prompts(&id, "implementation").await;
    for prompt in &prompts[..2] {
        assert!(prompt.contains("> first thing"), "the task again: {prompt}");
    }
    assert!(!prompts[0].contains("greets nobody"));
    assert!(
        prompts[1].contains("greet.sh greets nobody"),
        "{}",
        prompts[1]
    );
    assert!(!prompts[2].contains("greets nobody"), "{}", prompts[2]);
    let reviews = house.prompts(&id, "review").await;
    assert!(
        reviews[1].contains("greet.sh greets nobody"),
        "{}",
        reviews[1]
    );
    let verdicts = house.told(&id, "REVIEW_FINISHED").await;
    let verdicts: Vec<&str> = verdicts
        .iter()
        .filter_map(|v| v["verdict"].as_str())
        .collect();
    assert_eq!(verdicts, ["changes_requested", "approved", "approved"]);
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    let log = repo.git(&[
        "log",
        "--reverse",
        "--format=%s",
        &format!("main..{branch}"),
    ]);
    assert_eq!(
        log.lines().collect::<Vec<_>>(),
        [
            "Do: first thing",
            "Reopen the tasks that were sent back",
            "Do: first thing",
            "Mark the reviewed tasks",
            "Do: second thing",
            "Mark the reviewed tasks",
        ]
    );
}

#[tokio::test]
async fn a_review_that_does_not_converge_asks_a_person() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { append = { path = "tries", text = "again\n" } }, { commit = "Try" }, "complete"]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "not yet" } }]
    "#;
    let settings = json!({ "max_review_rounds": 3 });
    let id = house.create(&repo, Some(script), settings).await;
    house.held(&id, "review_not_converging").await;
    assert_eq!(house.steps(&id, "review").await.len(), 3);
    assert!(!repo.has("agent/thing"));
}

#[tokio::test]
async fn rejections_in_a_row_may_fail_the_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { append = { path = "tries", text = "again\n" } }, { commit = "Try" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "not yet" } }]
    "#;
    let settings = json!({ "max_consecutive_review_failures": 2 });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "max_consecutive_failures:review:2").await;
}

#[tokio::test]
async fn no_verdict_is_no_rejection_and_is_tried_again_until_a_person_is_asked() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = [{ say = "It is APPROVED, more or less." }]
        [[turn]]
        role = "review"
        steps = [{ exit = 3 }]
        [[turn]]
        role = "review"
        steps = [{ say = "I cannot say." }]
    "#;
    let settings = json!({ "agent_retries": 2 });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.held(&id, "review_unavailable").await;
    assert!(why.contains("no verdict after 3 tries"), "{why}");
    let run = house.run(&id).await;
    let branch = run
        .facts
        .worktree
        .as_ref()
        .expect("a worktree")
        .run_branch
        .clone();
    assert_eq!(
        repo.at(&branch, PLAN),
        "# Plan\n\n- [x] first thing",
        "nothing was reopened"
    );
    // The fourth reviewer approves; the work is not done again.
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    assert_eq!(house.steps(&id, "review").await.len(), 4);
}

#[tokio::test]
async fn what_a_reviewer_says_before_it_breaks_off_is_no_verdict() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = true } }, { exit = 3 }]
    "#;
    let settings = json!({ "merge_strategy": "none", "agent_retry_backoff_sec": 0 });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "review").await.len(), 2);
    let verdicts = house.told(&id, "REVIEW_FINISHED").await;
    let approved = verdicts.iter().filter(|told| told["verdict"] == "approved");
    assert_eq!(approved.count(), 1, "{verdicts:?}");
}

#[tokio::test]
async fn a_reviewer_that_changes_the_plan_holds_the_run() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = ["tamper_plan", { verdict = { approved = true } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let why = house.held(&id, "plan_tampered").await;
    assert!(why.contains("second thing"), "{why}");
}

#[tokio::test]
async fn a_reviewed_mark_that_the_agent_gave_itself_is_taken_back() {
    let repo = Repository::with_plan("# Plan\n\n- [R] done before\n- [ ] first thing\n");
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [
            { edit = { path = "specs/planning/thing-plan.md", find = "[ ] first", replace = "[R] first" } },
            { commit = "Reviewed, says who?" },
            "complete",
        ]
    "#;
    let settings = json!({ "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(
        repo.at("agent/thing", PLAN),
        "# Plan\n\n- [R] done before\n- [x] first thing"
    );
    let report = house.file(&id, "report.tsv");
    let row = report.lines().find(|row| row.contains("ITERATION_END"));
    let row = row.expect("the iteration has ended");
    assert!(
        row.contains("; 1 commit\t"),
        "loopd's own counted, too: {row}"
    );
}

#[tokio::test]
async fn what_a_reviewer_changes_has_to_be_reviewed_itself() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = [{ write = { path = "sneaked", text = "in" } }, { verdict = { approved = true } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 2);
    let prompts = house.prompts(&id, "implementation").await;
    assert!(
        prompts[1].contains("the reviewer changed files"),
        "{}",
        prompts[1]
    );
}
