//! Real agents go on where they stopped: the model refuses every call that is not a further try, and only the beginning of
//! the conversation names the plan, so that nothing gets done unless the agent has its session again.

use agent_loop::core::run::{RunId, State};
use serde_json::{Value, json};

use super::TWO_TASKS;
use crate::support::agents::{self, Model, Mood};
use crate::support::{House, Options, Repository};

async fn goes_on(settings: impl FnOnce(&Repository, &Model) -> Option<Value>) {
    let repo = Repository::with_plan(TWO_TASKS);
    let model = Model::start(Mood::Stumbles).await;
    let Some(mut settings) = settings(&repo, &model) else {
        return;
    };
    settings["reviewer"] = json!(false);
    settings["agent_retries"] = json!(1);
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    let run = house.rest(&id).await;
    let story = house.story(&id).await;
    assert_eq!(run.state, State::Completed, "{story}");
    assert_eq!(
        short(&house, &id).await,
        [false, true, false, true],
        "{story}"
    );
    house.check().await;
}

/// Of each implementation, whether it was told little.
async fn short(house: &House, id: &RunId) -> Vec<bool> {
    let prompts = house.prompts(id, "implementation").await;
    let begins = prompts.iter().map(|it| it.starts_with("# Go on:"));
    begins.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_goes_on_with_its_session() {
    goes_on(agents::claude).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_goes_on_with_its_session() {
    goes_on(agents::codex).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_that_kept_nothing_is_called_afresh_and_no_try_is_spent() {
    let repo = Repository::with_plan(TWO_TASKS);
    let model = Model::start(Mood::Stumbles).await;
    let Some(mut settings) = agents::gemini(&repo, &model, false) else {
        return;
    };
    settings["agent_retries"] = json!(1);
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    // It saves no session in which the model has not spoken.
    house.failed(&id, "agent_failed").await;
    assert_eq!(short(&house, &id).await, [false, true, false]);
    let steps = house.steps(&id, "implementation").await;
    let why = steps[1].facts.message.clone().unwrap_or_default();
    assert!(why.contains("cannot go on with its session"), "{why}");
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_goes_on_with_its_session_by_the_agent_client_protocol() {
    goes_on(agents::claude_acp).await;
}
