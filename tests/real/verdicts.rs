//! Real agents that can be held to a schema give the verdict of a review by it. And their versions, as they tell them.

use agent_loop::core::run::State;
use serde_json::Value;

use super::TWO_TASKS;
use crate::support::agents::{self, Model, Mood};
use crate::support::{House, Options, Repository};

/// Runs the plan, and looks in each review's stream for what `verdict` makes of a line.
async fn reviews_by_schema(
    settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
    verdict: impl Fn(&Value) -> Option<Value>,
) {
    let repo = Repository::with_plan(TWO_TASKS);
    let model = Model::start(Mood::Works).await;
    let Some(settings) = settings(&repo, &model) else {
        return;
    };
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    let run = house.rest(&id).await;
    let story = house.story(&id).await;
    assert_eq!(run.state, State::Completed, "{story}");
    let reviews = house.steps(&id, "review").await;
    assert_eq!(reviews.len(), 2, "{story}");
    for review in reviews {
        let stream = house.file(&id, &format!("steps/{}/output", review.generation));
        let lines = stream
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let said = lines.filter_map(|line: Value| verdict(&line)).next_back();
        assert_eq!(said.expect("a verdict")["verdict"], "APPROVED", "{stream}");
        let agent = review.facts.agent.expect("an agent");
        let version = agent.version.expect("a version");
        assert!(
            version.starts_with(|c: char| c.is_ascii_digit()),
            "{version}"
        );
    }
    for prompt in house.prompts(&id, "review").await {
        assert!(prompt.contains("an object of two texts"), "{prompt}");
    }
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_gives_its_verdict_by_schema() {
    reviews_by_schema(agents::claude, |line| {
        line.get("structured_output").cloned()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_gives_its_verdict_by_schema() {
    reviews_by_schema(agents::codex, |line| {
        let text = line.pointer("/item/text")?.as_str()?;
        serde_json::from_str(text).ok()
    })
    .await;
}
