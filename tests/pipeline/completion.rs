//! A spec becomes a merged branch; and what does not count as complete.

use agent_loop::core::run::State;
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository, request};

const PLAN: &str = "specs/planning/thing-plan.md";

#[tokio::test]
async fn a_spec_runs_to_a_squash_merge_on_its_own_branch() {
    let repo = Repository::with_plan(TWO_TASKS);
    let before = repo.checkout();
    let house = House::over(&repo).await;
    let checks = json!({ "verify_cmds": ["test -f specs/thing.md"] });
    let id = house.create(&repo, None, checks).await;
    let run = house.rests(&id, State::Completed).await;
    let plan = repo.at("agent/thing", PLAN);
    assert_eq!(plan, "# Plan\n\n- [R] first thing\n- [R] second thing");
    assert_eq!(
        repo.git(&["rev-list", "--count", "main..agent/thing"]),
        "1",
        "one squash commit"
    );
    assert_eq!(
        repo.git(&["rev-parse", "agent/thing^{tree}"]),
        run.facts.verified_tree.expect("a verified tree"),
        "the merged tree is the verified one"
    );
    assert_eq!(repo.checkout(), before, "the user's checkout is as it was");
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog running verifying watchdog merging completed"
    );
    house.check().await;
}

#[tokio::test]
async fn a_merge_commit_keeps_the_commits_of_the_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "merge_strategy": "merge", "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    let parents = repo.git(&["log", "-1", "--format=%P", "agent/thing"]);
    assert_eq!(parents.split(' ').count(), 2, "a merge commit: {parents}");
    let branch = &run.facts.worktree.expect("a worktree").run_branch;
    repo.git(&["merge-base", "--is-ancestor", branch, "agent/thing"]);
}

#[tokio::test]
async fn without_a_merge_the_run_branch_is_the_result() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "merge_strategy": "none", "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog completed"
    );
    assert!(!repo.has("agent/thing"));
    let branch = &run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(repo.at(branch, PLAN), "# Plan\n\n- [R] first thing");
    assert_eq!(house.told(&id, "RUN_COMPLETED").await[0]["mode"], "none");
}

#[tokio::test]
async fn a_run_without_checks_completes_and_says_that_it_is_unverified() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house.create(&repo, None, json!({})).await;
    house.rests(&id, State::Completed).await;
    let message = repo.git(&["log", "-1", "--format=%B", "agent/thing"]);
    assert!(message.contains("(unverified)"), "{message}");
    assert!(
        message.contains("Loopd-Unverified: no verify_cmds"),
        "{message}"
    );
}

#[tokio::test]
async fn a_token_with_open_boxes_completes_nothing() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Half of it" }, "lie"]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 2);
    let prompts = house.prompts(&id, "implementation").await;
    assert!(
        prompts[1].contains("called complete while tasks were open"),
        "{}",
        prompts[1]
    );
}

#[tokio::test]
async fn a_token_that_is_not_the_last_word_is_asked_for_twice_and_then_a_person_is() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "All of it" }, "complete", { say = "That is what I would say now." }]
        [[turn]]
        steps = [{ say = "I will not say <promise>COMPLETE</promise> today." }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.held(&id, "not_confirmed").await;
    let prompts = house.prompts(&id, "implementation").await;
    assert_eq!(prompts.len(), 3, "asked twice");
    assert!(
        prompts[1].contains("Every task of the plan is ticked"),
        "{}",
        prompts[1]
    );
    assert_eq!(
        house.steps(&id, "review").await.len(),
        1,
        "nothing new to review"
    );
    // The person has a look, and the agent says it after all.
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.held(&id, "not_confirmed").await;
}

#[tokio::test]
async fn an_exact_token_is_the_whole_message() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "All of it" }, "complete"]
        [[turn]]
        steps = [{ say = "<promise>COMPLETE</promise>" }]
    "#;
    let settings = json!({ "completion_mode": "exact" });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 2);
}

#[tokio::test]
async fn blocked_tasks_alone_hold_the_run() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { edit = { path = "specs/planning/thing-plan.md", find = "[ ] first", replace = "[~] first" } },
            { commit = "Blocked: no key" },
        ]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let why = house.held(&id, "plan_blocked").await;
    assert!(why.contains("1 task is left and is marked"), "{why}");
}

#[tokio::test]
async fn names_may_be_in_any_script_and_have_spaces() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write("specs/Größe ändern (v2).md", "# Größe\n\nÄndern.\n");
    repo.write(
        "specs/planning/Größe ändern (v2)-plan.md",
        "# Plan\n\n- [ ] größer machen\n",
    );
    repo.commit_all("Eine zweite Aufgabe");
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { write = { path = "Übersicht/日本 語.txt", text = "größer\n" } },
            { tick = "next" },
            { commit = "Größer" },
            "complete",
        ]
    "#;
    let mut wanted = request(
        &repo,
        Some(script),
        json!({ "verify_cmds": ["test -f 'Übersicht/日本 語.txt'"] }),
    );
    wanted.spec_path = "specs/Größe ändern (v2).md".to_owned();
    let id = house.try_create(wanted).await.expect("a run");
    house.rests(&id, State::Completed).await;
    assert_eq!(
        repo.at("agent/größe-ändern-v2", "Übersicht/日本 語.txt"),
        "größer"
    );
}

#[tokio::test]
async fn a_snapshot_starts_from_what_is_not_committed() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(PLAN, "# Plan\n\n- [ ] another thing\n");
    let before = repo.checkout();
    let house = House::over(&repo).await;
    let refused = house.try_create(request(&repo, None, json!({}))).await;
    let refused = refused.expect_err("it differs");
    assert!(
        refused.contains("differs from what is committed"),
        "{refused}"
    );
    let mut wanted = request(&repo, None, json!({}));
    wanted.snapshot = true;
    let id = house.try_create(wanted).await.expect("a run");
    house.rests(&id, State::Completed).await;
    assert_eq!(
        repo.at("agent/thing", PLAN),
        "# Plan\n\n- [R] another thing"
    );
    assert_eq!(repo.checkout(), before);
}
