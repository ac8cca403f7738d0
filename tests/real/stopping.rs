//! What is left of real agents when a person stops a run in the midst of a tool, and of their tools when all is well:
//! nothing. Agents run their tools in sessions of their own, where no signal to the agent's group reaches them.

use agent_loop::core::run::{Event, State};
use serde_json::{Value, json};

use super::{ONE_TASK, Stage};
use crate::support::agents::{self, Model, Mood};
use crate::support::{Repository, Turnstile, is_alive, processes_of};

/// Stops a run by `event` while its tool runs.
async fn nothing_survives(
    event: Event,
    settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut tool = Turnstile::new(dir.path(), "tool");
    let stage = Stage::set(ONE_TASK, Mood::Runs(tool.sh()), settings, json!({})).await;
    let Some(stage) = stage else { return };
    let (house, id) = (&stage.house, &stage.id);
    tool.somebody().await;
    assert!(!processes_of(id).is_empty(), "the tool's process is seen");
    house.operate(id, event).await;
    house.settled(id).await;
    assert_eq!(processes_of(id), [], "{}", house.story(id).await);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_claude_survives_a_cancel_in_the_midst_of_a_tool() {
    nothing_survives(Event::Cancel, agents::claude).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_gemini_survives_a_cancel_in_the_midst_of_a_tool() {
    nothing_survives(Event::Cancel, |repo, model| {
        agents::gemini(repo, model, false)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_opencode_survives_a_cancel_in_the_midst_of_a_tool() {
    nothing_survives(Event::Cancel, agents::opencode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_codex_survives_a_pause_in_the_midst_of_a_tool() {
    nothing_survives(Event::Pause, agents::codex).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_adapter_survives_a_pause_in_the_midst_of_a_tool() {
    nothing_survives(Event::Pause, agents::claude_acp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_a_tool_leaves_behind_is_ended_and_told_although_all_went_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let pid_file = dir.path().join("daemon");
    let daemon = format!(
        "(nohup setsid sleep 4321 >/dev/null 2>&1 & echo $! > '{}')",
        pid_file.display()
    );
    let mood = Mood::plays(move |asked| asked.work(&asked.tick_and(&daemon, "Do it and go on")));
    let settings = json!({ "reviewer": false, "verify_cmds": ["true"] });
    let stage = Stage::set(ONE_TASK, mood, agents::claude, settings).await;
    let Some(stage) = stage else { return };
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    let pid = std::fs::read_to_string(&pid_file).expect("the daemon was started");
    assert!(!is_alive(pid.trim().parse().expect("a pid")));
    assert_eq!(processes_of(&stage.id), []);
    let ended = stage.reported("ITERATION_END");
    assert!(
        ended[0].contains("left behind and ended") && ended[0].contains("sleep 4321"),
        "{ended:?}"
    );
}
