//! From a spec with two boxes to one squash commit.

use agent_loop::core::run::State;
use agent_loop::core::step::Confined;
use agent_loop::effect::confine::Kernel;
use serde_json::{Value, json};

use super::TWO_TASKS;
use crate::support::agents::{self, KEY, Model, Mood};
use crate::support::{House, Options, Repository};

/// Runs the plan with the agent that `settings` makes, and asserts that it was all done, in good order.
async fn do_both_tasks(
    settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
    reviewer: bool,
) {
    // Where the sandbox is whole: real agents have to work inside of it.
    let repo = Repository::apart_from_temporary_files(TWO_TASKS);
    let model = Model::start(Mood::Works).await;
    let Some(mut settings) = settings(&repo, &model) else {
        return;
    };
    settings["reviewer"] = json!(reviewer);
    settings["verify_cmds"] = json!(["test -f work.txt"]);
    let before = repo.checkout();
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    let run = house.rest(&id).await;
    let story = house.story(&id).await;
    assert_eq!(run.state, State::Completed, "{story}");
    let mark = if reviewer { "R" } else { "x" };
    assert_eq!(
        repo.at("agent/thing", "specs/planning/thing-plan.md"),
        format!("# Plan\n\n- [{mark}] first thing\n- [{mark}] second thing"),
    );
    assert_eq!(repo.at("agent/thing", "work.txt"), "work\nwork");
    let commits = repo.git(&["rev-list", "--count", "main..agent/thing"]);
    assert_eq!(commits, "1", "one squash commit");
    assert_eq!(
        run.facts.iteration, 2,
        "a task an iteration, and no more\n{story}"
    );
    assert_eq!(repo.checkout(), before, "the user's checkout is as it was");
    let keys = model.keys();
    assert!(!keys.is_empty(), "the model was asked");
    assert!(
        keys.iter().all(|key| key == KEY),
        "other keys than the given: {keys:?}"
    );
    assert!(
        run.facts.usage.output_tokens > 0,
        "tokens are counted: {:?}",
        run.facts.usage
    );
    if Kernel::of_this_machine().lacks().is_empty() {
        for step in house.steps(&id, "implementation").await {
            let confinement = step.facts.confinement.expect("it is told");
            assert_eq!(confinement.level, Confined::Full, "{confinement:?}");
        }
    }
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_a_plan_and_reviews_it() {
    do_both_tasks(agents::claude, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_a_plan_that_nobody_reviews() {
    do_both_tasks(agents::claude, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_does_a_plan_and_reviews_it() {
    do_both_tasks(agents::codex, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_does_a_plan_and_reviews_it() {
    do_both_tasks(|repo, model| agents::gemini(repo, model, false), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_a_plan_by_the_agent_client_protocol() {
    do_both_tasks(agents::claude_acp, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_does_a_plan_by_the_agent_client_protocol() {
    do_both_tasks(|repo, model| agents::gemini(repo, model, true), true).await;
}
