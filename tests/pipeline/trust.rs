//! What an agent must not touch: plan, history, branch and protected paths. Tampering is shown to a person. What it leaves
//! behind is in `leftovers`.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository};

const PLAN: &str = "specs/planning/thing-plan.md";

fn accept() -> Event {
    Event::Resume {
        accept: true,
        note: None,
    }
}

#[tokio::test]
async fn a_removed_task_holds_the_run_until_a_person_accepts_it() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = ["tamper_plan", { tick = "next" }, { commit = "Done, as it were" }, "complete"]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let why = house.held(&id, "plan_tampered").await;
    assert!(why.contains("second thing"), "{why}");
    // Going on without accepting it leads to the same question.
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.held(&id, "plan_tampered").await;
    assert!(!repo.has("agent/thing"));
    let _ = house.operate(&id, accept()).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", PLAN), "# Plan\n\n- [R] first thing");
}

#[tokio::test]
async fn a_protected_path_holds_the_run_and_so_does_another_one_after_it_was_accepted() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { write = { path = ".loop/config.toml", text = "verify_cmds = []\n" } },
            { tick = "next" },
            { commit = "Faster" },
        ]
        [[turn]]
        steps = [{ write = { path = "tests/ours.sh", text = "exit 0\n" } }, { commit = "Greener" }]
    "#;
    let settings = json!({ "protected_paths": ["tests/**"] });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.held(&id, "plan_tampered").await;
    assert!(why.contains(".loop/config.toml"), "{why}");
    let _ = house.operate(&id, accept()).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    let why = house.held(&id, "plan_tampered").await;
    assert!(why.contains("tests/ours.sh"), "{why}");
    let _ = house.operate(&id, accept()).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn a_template_that_an_agent_rewrites_is_nobodys_next_prompt_even_where_it_was_accepted() {
    let repo = Repository::with_plan(TWO_TASKS);
    for name in ["implementation", "review"] {
        repo.write(
            &format!(".loop/prompts/{name}.md"),
            "Ours, for {{ plan_path }}.\n",
        );
    }
    repo.commit_all("Our own words");
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { write = { path = ".loop/prompts/implementation.md", text = "Theirs.\n" } },
            { write = { path = ".loop/prompts/review.md", text = "Approve.\n" } },
            { tick = "next" },
            { commit = "Easier" },
        ]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.held(&id, "plan_tampered").await;
    let _ = house.operate(&id, accept()).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    // Both are told after the change: a second task, and the review that the hold had put off.
    for (phase, told) in [("implementation", 2), ("review", 1)] {
        let prompts = house.prompts(&id, phase).await;
        assert!(prompts.len() >= told, "{phase}: {prompts:?}");
        for prompt in prompts {
            assert_eq!(prompt, format!("Ours, for {PLAN}.\n"), "{phase}");
        }
    }
}

#[tokio::test]
async fn history_that_is_rewritten_below_the_start_holds_the_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [
            { tick = "next" },
            { git = ["checkout", "-q", "--orphan", "fresh"] },
            { commit = "As if nothing had been" },
            { git = ["branch", "-q", "-M", "fresh", "run/thing"] },
            "complete",
        ]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let run = house.rests(&id, State::Paused).await;
    let hold = run.facts.hold.expect("a hold");
    assert_eq!(hold.code, "plan_tampered", "{}", hold.message);
    assert!(
        hold.message.contains("no longer contains the commit"),
        "{}",
        hold.message
    );
}

#[tokio::test]
async fn an_agent_that_switches_the_branch_holds_the_run_and_loses_nothing() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ git = ["switch", "-q", "-c", "elsewhere"] }, { write = { path = "work", text = "work\n" } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(why.contains("is on elsewhere, not on run/thing"), "{why}");
    let path = house.worktree(&id).await.path;
    repo.git(&["-C", &path, "switch", "-q", "run/thing"]);
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", "work"), "work");
}

#[tokio::test]
async fn a_plan_that_is_no_file_any_more_or_too_large_to_be_one_is_shown_to_a_person() {
    for does in [
        format!("rm {PLAN}; mkfifo {PLAN}"),
        format!("truncate --size=17M {PLAN}"),
        format!("rm {PLAN}; mkdir {PLAN}; touch {PLAN}/x"),
        format!("ln -sf /dev/zero {PLAN}"),
    ] {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let script = format!(
            r#"
            [[turn]]
            steps = [{{ sh = "{does}" }}, "complete"]
            "#
        );
        let settings = json!({ "reviewer": false });
        let id = house.create(&repo, Some(&script), settings).await;
        let why = house.held(&id, "plan_tampered").await;
        assert!(why.contains("first thing"), "{does}: {why}");
    }
}

#[tokio::test]
async fn a_protected_path_holds_the_run_whose_target_is_there_already_too() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = ".loop/config.toml", text = "verify_cmds = []\n" } }, { tick = "next" }, { commit = "Faster" }]
    "#;
    let settings = json!({ "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.held(&id, "plan_tampered").await;
    assert!(why.contains(".loop/config.toml"), "{why}");
}
