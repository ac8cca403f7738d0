//! Real agents that end in good order and have done nothing: an exit status of 0 and the word "success" move no run, and
//! what kept them from their work is told to the person who is asked.

use agent_loop::core::run::State;
use serde_json::{Value, json};

use super::{ONE_TASK, Stage};
use crate::support::Repository;
use crate::support::agents::{self, Answer, Model, Mood};

/// The ladder without rewrites: the second empty iteration asks a person.
fn short_ladder() -> Value {
    json!({ "max_rewrites": 0, "reviewer": false, "verify_cmds": ["true"] })
}

/// The settings of an agent with another program in the place of its own.
fn through(
    settings: Option<Value>,
    agent: &str,
    program: impl FnOnce(&std::path::Path) -> std::path::PathBuf,
) -> Option<Value> {
    let mut settings = settings?;
    let own = settings["agents"][agent]["command"].as_str()?.to_owned();
    settings["agents"][agent]["command"] = json!(program(own.as_ref()));
    Some(settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_were_denied_are_told_to_the_person_who_is_asked() {
    let unpermitted = |repo: &Repository, model: &Model| {
        through(agents::claude(repo, model), "claude", |own| {
            agents::instead_of(repo, own, "--dangerously-skip-permissions", "")
        })
    };
    let stage = Stage::set(ONE_TASK, Mood::Works, unpermitted, short_ladder()).await;
    let Some(stage) = stage else { return };
    let (run, story) = stage.rest().await;
    let hold = run.facts.hold.unwrap_or_else(|| panic!("held: {story}"));
    let why = hold.message;
    assert!(why.contains("no_progress"), "{why}");
    assert!(why.contains("it was denied: Bash"), "{why}");
    let steps = stage.house.steps(&stage.id, "implementation").await;
    let exits: Vec<_> = steps.iter().map(|s| s.facts.exit_code).collect();
    assert_eq!(exits, [Some(0), Some(0)], "it called that a success");
    let ended = stage.reported("ITERATION_END");
    assert!(ended[0].contains("denied"), "{ended:?}");
    let log = stage.house.file(&stage.id, "iter-01-impl.log");
    assert!(log.contains("[denied: Bash"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_lets_nobody_commit_is_told_and_the_work_is_kept_all_the_same() {
    let confined = |repo: &Repository, model: &Model| {
        through(agents::codex(repo, model), "codex", |own| {
            let bypass = "--dangerously-bypass-approvals-and-sandbox";
            agents::instead_of(repo, own, bypass, "--sandbox workspace-write")
        })
    };
    // Its sandbox alone: one does not nest in the other.
    let mut more = short_ladder();
    more["sandbox"] = json!("off");
    let stage = Stage::set(ONE_TASK, Mood::Works, confined, more).await;
    let Some(stage) = stage else { return };
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    let log = stage
        .repo
        .git(&["log", "--format=%s", &format!("main..{branch}")]);
    assert_eq!(log, "Keep what iteration 1 left uncommitted");
    // Codex does not always tell of a command that was over at once; what it told is told on.
    let reason = "Read-only file system";
    let heard = stage.house.file(&stage.id, "iter-01-impl.jsonl");
    let ended = stage.reported("ITERATION_END");
    assert_eq!(
        ended[0].contains(reason),
        heard.contains(reason),
        "why the agent made no commit: {ended:?}\n{heard}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_success_whatever_the_agent_calls_it() {
    let half = Answer::Half("half an ans".to_owned());
    let settings = |repo: &Repository, model: &Model| agents::gemini(repo, model, false);
    let mut more = short_ladder();
    more["agent_retries"] = json!(0);
    let stage = Stage::set(ONE_TASK, Mood::Answers(half), settings, more).await;
    let Some(stage) = stage else { return };
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Failed, "{story}");
    let step = &stage.house.steps(&stage.id, "implementation").await[0];
    assert_eq!(step.facts.exit_code, Some(0), "it called that a success");
    let failure = run.facts.failure.expect("a cause");
    assert_eq!(failure.code, "agent_failed", "{story}");
    assert!(
        failure.message.contains("ended without a finish reason"),
        "{}",
        failure.message
    );
}
