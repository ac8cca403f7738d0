//! What a person can do with a run that has ended, or that is to end: cancel, retry, reset.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::ONE_TASK;
use super::operator::{ignored, moved, refused};
use crate::support::{House, RESUME, RETRY, Repository, Turnstile, processes_of};

#[tokio::test]
async fn cancel_leaves_no_process_and_retry_goes_on_with_the_same_branch() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        r#"
        then = "default"
        [[turn]]
        steps = ["ignore_term", {{ orphan = {{ sec = 1000 }} }}, {{ write = {{ path = "half", text = "half\n" }} }}, {{ sh = "{}" }}]
        "#,
        stile.sh()
    );
    let id = house
        .create(&repo, Some(&script), json!({ "stop_grace_sec": 1 }))
        .await;
    stile.somebody().await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    let run = house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
    let before = run.facts.worktree.clone().expect("a worktree");
    assert!(
        std::fs::exists(&before.path).unwrap_or_default(),
        "its worktree stays"
    );
    let ended = "the run has ended";
    refused(&house, &id, &[(Event::Pause, ended), (RESUME, ended)]).await;
    ignored(&house, &id, Event::Cancel, "the run is canceled already").await;
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Canceled).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        run.facts.worktree.expect("a worktree").run_branch,
        before.run_branch
    );
    assert_eq!(repo.at("agent/thing", "half"), "half");
    let completed = "the run is completed";
    refused(
        &house,
        &id,
        &[
            (Event::Pause, ended),
            (RESUME, ended),
            (Event::Cancel, ended),
            (RETRY, completed),
            (Event::Reset, completed),
        ],
    )
    .await;
    house.check().await;
}

#[tokio::test]
async fn a_failed_run_is_retried_with_fresh_budgets() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [\"auth\"]\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.failed(&id, "agent_auth").await;
    refused(
        &house,
        &id,
        &[
            (Event::Cancel, "the run has ended"),
            (Event::Pause, "the run has ended"),
        ],
    )
    .await;
    let retry = Event::Retry {
        merge_strategy: Some(agent_loop::core::run::MergeStrategy::None),
    };
    moved(&house, &id, retry, State::Queued).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.failure, None);
    assert!(!repo.has("agent/thing"), "no merge, as asked");
}

#[tokio::test]
async fn reset_starts_on_a_new_branch_from_todays_base_and_keeps_the_old_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"First try\" }, \"auth\"]\n";
    let id = house
        .create(&repo, Some(script), json!({ "verify_cmds": ["true"] }))
        .await;
    house.failed(&id, "agent_auth").await;
    let old = house.worktree(&id).await;
    repo.write("base", "today\n");
    repo.commit_all("Today's base");
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    let run = house.rests(&id, State::Completed).await;
    let new = run.facts.worktree.expect("a worktree");
    assert_ne!(new.run_branch, old.run_branch);
    assert_eq!(new.base_commit, repo.git(&["rev-parse", "main"]));
    repo.git(&["rev-parse", "--verify", &old.run_branch]);
    assert_eq!(repo.at("agent/thing", "base"), "today");
    let log = repo.git(&["log", "--format=%s", &format!("main..{}", new.run_branch)]);
    assert!(!log.contains("First try"), "{log}");
    house.check().await;
}
