//! Agents that are asked again: whether they go on with their session, and what they are told then. Which try goes on
//! with which session is told by the machine (`design::sessions`); here it reaches the agent. Reviewers, fallback agents and
//! commands are in `sessions_of_others`.

use agent_loop::config::Shutdown;
use agent_loop::core::run::{Event, RunId, State};
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository, Turnstile, eventually};

/// The sessions of the steps of a phase, oldest first, as the agent told them.
pub(super) async fn sessions(house: &House, id: &RunId, phase: &str) -> Vec<String> {
    let mut told = Vec::new();
    for step in house.steps(id, phase).await {
        let stream = house.file(id, &format!("steps/{}/output", step.generation));
        let first = stream.lines().next().unwrap_or("{}");
        // An agent that speaks plain text tells none.
        let event: serde_json::Value = serde_json::from_str(first).unwrap_or_default();
        told.push(event["id"].as_str().unwrap_or("none").to_owned());
    }
    told
}

/// Asserts of each prompt whether it is the short one of a further try.
pub(super) async fn assert_continued(house: &House, id: &RunId, phase: &str, wanted: &[bool]) {
    let prompts = house.prompts(id, phase).await;
    let short: Vec<bool> = prompts
        .iter()
        .map(|prompt| prompt.starts_with("# Go on:"))
        .collect();
    assert_eq!(short, wanted, "{} {prompts:#?}", house.story(id).await);
}

/// Waits until what the agent of the phase has said so far is on the disk: a keeper that is killed takes with it what it has
/// not yet written.
pub(super) async fn heard(house: &House, id: &RunId, phase: &str, word: &str) {
    let step = house.steps(id, phase).await.pop().expect("a step");
    let output = format!("steps/{}/output", step.generation);
    eventually(async || house.file(id, &output).contains(word).then_some(())).await;
}

async fn resume_with(house: &House, id: &RunId, note: &str) {
    let event = Event::Resume {
        accept: false,
        note: Some(note.to_owned()),
    };
    let _ = house.operate(id, event).await;
}

#[tokio::test]
async fn a_crashed_agent_goes_on_where_it_stopped_and_is_told_little() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ say = "I begin." }, { exit = 3 }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told, ["scripted-1", "scripted-1"]);
    assert_continued(&house, &id, "implementation", &[false, true]).await;
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts[1].contains("> first thing"), "{}", prompts[1]);
    assert!(prompts[1].contains("<promise>COMPLETE</promise>"));
    let kept = house.file(&id, "prompt.txt");
    assert_eq!(kept, prompts[0], "what the agent was told of its work");
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_fails_in_its_session_begins_afresh() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ exit = 3 }]
        [[turn]]
        steps = [{ exit = 3 }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told, ["scripted-1", "scripted-1", "scripted-3"]);
    assert_continued(&house, &id, "implementation", &[false, true, false]).await;
}

#[tokio::test]
async fn a_session_that_the_agent_does_not_know_any_more_costs_no_try() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ exit = 3 }]
        [[turn]]
        steps = ["no_session", { say = "never said" }]
    "#;
    let id = house
        .create(&repo, Some(script), json!({ "agent_retries": 1 }))
        .await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "implementation", &[false, true, false]).await;
    let steps = house.steps(&id, "implementation").await;
    let told: Vec<(&str, u32)> = steps
        .iter()
        .map(|s| (s.state.as_str(), s.attempt))
        .collect();
    assert_eq!(told, [("retrying", 1), ("retrying", 2), ("succeeded", 2)]);
    let why = steps[1].facts.message.clone().unwrap_or_default();
    assert!(why.contains("cannot go on with its session"), "{why}");
    house.check().await;
}

/// An agent that has used something when it waits at the turnstile.
fn used_and_waits(stile: &Turnstile) -> String {
    format!(
        r#"
        then = "default"
        [[turn]]
        steps = [{{ usage = {{ input_tokens = 70, output_tokens = 7 }} }}, {{ sh = "{}" }}]
        "#,
        stile.sh()
    )
}

#[tokio::test]
async fn a_paused_agent_goes_on_and_hears_what_the_person_says() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let id = house
        .create(&repo, Some(&used_and_waits(&stile)), json!({}))
        .await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Pause).await;
    house.settled(&id).await;
    // Whoever takes over the paused run knows the session, too.
    house.die().await;
    let house = House::over(&repo).await;
    resume_with(&house, &id, "French first, please.").await;
    let run = house.rests(&id, State::Completed).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told, ["scripted-1", "scripted-1"]);
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts[1].starts_with("# Go on:"), "{}", prompts[1]);
    assert!(prompts[1].contains("> French first, please."));
    assert_eq!(
        (run.facts.usage.input_tokens, run.facts.usage.output_tokens),
        (70, 7),
        "what the stopped step used counts"
    );
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_ends_with_its_daemon_goes_on_under_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let id = house
        .create(&repo, Some(&used_and_waits(&stile)), json!({}))
        .await;
    stile.somebody().await;
    house.handle.drain(Shutdown::Stop).await;
    house.die().await;
    let house = House::over(&repo).await;
    let run = house.rests(&id, State::Completed).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told, ["scripted-1", "scripted-1"]);
    assert_continued(&house, &id, "implementation", &[false, true]).await;
    assert_eq!(
        (run.facts.usage.input_tokens, run.facts.usage.output_tokens),
        (70, 7),
        "what the stopped step used counts"
    );
    house.check().await;
}

#[tokio::test]
async fn a_limited_agent_goes_on_after_the_limit() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ limit = { resets_in_sec = 1 } }]
        [[turn]]
        role = "review"
        steps = [{ limit = { resets_in_sec = 1 } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "implementation", &[false, true]).await;
    assert_continued(&house, &id, "review", &[false, true]).await;
    let review = house.prompts(&id, "review").await.remove(1);
    assert!(review.contains("\nCHANGES REQUESTED\n"), "{review}");
    let told = sessions(&house, &id, "review").await;
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_lost_agent_goes_on_in_its_session() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    heard(&house, &id, "implementation", "scripted-1").await;
    house.kill_keeper(&id, "implementation").await;
    house.rests(&id, State::Completed).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told, ["scripted-1", "scripted-1"]);
    assert_continued(&house, &id, "implementation", &[false, true]).await;
}

#[tokio::test]
async fn every_iteration_and_every_review_begins_afresh() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let id = house.create(&repo, None, json!({})).await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "implementation", &[false, false]).await;
    assert_continued(&house, &id, "review", &[false, false]).await;
}
