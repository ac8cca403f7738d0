//! Real agents explain a run that has ended: each of them works where there is no repository, reads the copies that it is
//! given, and its last message is the report.

use agent_loop::core::run::{Event, State};
use serde_json::{Value, json};

use super::{ONE_TASK, SLOW, Stage};
use crate::support::agents::{self, Answer, Asked, Model, Mood};
use crate::support::{Repository, processes_of};

/// Does the task; explains the run after a look at its summary.
fn explains(asked: &Asked) -> Answer {
    if !asked.whole.contains("# Postmortem of ") {
        return asked.work(&asked.tick());
    }
    if !asked.worked {
        return asked.run("grep -c 'ended: completed' run/summary.md && ls -A");
    }
    Answer::Say("# What happened\n\nIt went well, as run/summary.md says.".to_owned())
}

async fn explain(settings: impl FnOnce(&Repository, &Model) -> Option<Value>) {
    let repo = Repository::apart_from_temporary_files(ONE_TASK);
    let more = json!({ "reviewer": false, "merge_strategy": "none" });
    let Some(stage) = Stage::of(repo, Mood::plays(explains), settings, more).await else {
        return;
    };
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    let (house, id) = (&stage.house, &stage.id);
    house.settled(id).await;
    let stood = (stage.repo.checkout(), stage.repo.git(&["for-each-ref"]));
    let _ = house.operate(id, Event::Analyze).await;
    let end = house.until_within(id, SLOW, async || {
        let postmortem = house.run(id).await.facts.postmortem;
        postmortem.and_then(|it| it.end)
    });
    let end = end.await;
    assert!(end.written, "{:?}", end.failure);
    let report = house.file(id, "analysis/report.md");
    assert!(
        report.ends_with("\n\n# What happened\n\nIt went well, as run/summary.md says.\n"),
        "{report}"
    );
    assert!(house.run(id).await.facts.usage.output_tokens > run.facts.usage.output_tokens);
    assert_eq!(
        (stage.repo.checkout(), stage.repo.git(&["for-each-ref"])),
        stood
    );
    assert_eq!(processes_of(id), []);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_explains_a_run() {
    explain(agents::claude).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_explains_a_run_outside_of_any_repository() {
    explain(agents::codex).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_explains_a_run() {
    explain(|repo, model| agents::gemini(repo, model, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opencode_explains_a_run() {
    explain(agents::opencode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn qwen_explains_a_run() {
    explain(agents::qwen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pi_explains_a_run() {
    explain(agents::pi).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_explains_a_run_by_the_agent_client_protocol() {
    explain(agents::claude_acp).await;
}
