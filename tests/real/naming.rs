//! Claude Code names a run before it works on it.

use agent_loop::core::run::State;
use serde_json::{Value, json};

use super::{ONE_TASK, Stage};
use crate::support::agents::{self, Mood};

fn haiku() -> Value {
    json!({ "run_naming_mode": "haiku", "run_naming_model": "mock-model", "reviewer": false, "verify_cmds": ["test -f work.txt"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_names_a_run_without_any_tool_and_then_does_its_work() {
    // Without tools the model says "A thing", whatever it is asked.
    let stage = Stage::set(ONE_TASK, Mood::Works, agents::claude, haiku());
    let Some(stage) = stage.await else { return };
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    assert_eq!(run.name(), "a-thing", "{story}");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(branch, "run/a-thing", "{story}");
    assert_eq!(
        stage.house.told(&stage.id, "RUN_NAMED").await.len(),
        1,
        "{story}"
    );
    assert!(!stage.model.keys().is_empty());
}

/// What is told of the name when the model behind Claude Code is in this mood.
async fn refused(mood: Mood) -> Option<(String, State)> {
    let stage = Stage::set(ONE_TASK, mood, agents::claude_subscribed, haiku()).await?;
    let (run, story) = stage.settle().await;
    let told = stage.house.told(&stage.id, "RUN_NAMED").await;
    let told = told.first().unwrap_or_else(|| panic!("{story}"));
    assert_eq!(
        (&told["name"], &told["name_source"]),
        (&json!("thing"), &json!("spec_slug"))
    );
    assert_eq!(run.name(), "thing");
    Some((told["message"].to_string(), run.state))
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_that_is_refused_or_limited_leaves_the_run_its_name_and_the_run_meets_it_itself() {
    if let Some((why, state)) = refused(Mood::UNAUTHORIZED).await {
        assert!(why.contains("credentials were refused"), "{why}");
        assert_eq!(state, State::Failed);
    }
    let now = jiff::Timestamp::now().as_second();
    if let Some((why, state)) = refused(Mood::limited(now + 3600)).await {
        assert!(why.contains("limit"), "{why}");
        assert_eq!(state, State::Queued);
    }
}
