//! What real agents make of a provider that refuses: the run says what a person has to do, or waits until told, and goes
//! on. What was committed before counts.

use agent_loop::core::run::{State, WaitWhy};
use agent_loop::core::time::Time;
use agent_loop::daemon;
use agent_loop::store::StoredRun;
use serde_json::json;

use super::{ONE_TASK, Stage, TWO_TASKS};
use crate::support::agents::{self, Answer, Mood, Refusal};
use crate::support::processes_of;

/// Some seconds from now, in whole seconds since the epoch.
fn in_sec(sec: i64) -> i64 {
    daemon::now().0 / 1000 + sec
}

fn assert_refused_credentials(run: &StoredRun, story: &str, hint: &str) {
    assert_eq!(run.state, State::Failed, "{story}");
    let failure = run.facts.failure.as_ref().expect("a cause");
    assert_eq!(failure.code, "agent_auth", "{story}");
    assert!(
        failure.message.contains("credentials were refused"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains(hint),
        "what to do: {}",
        failure.message
    );
    assert_eq!(run.facts.attempt, 0, "no repeat would help\n{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_without_a_good_key_fails_the_run_at_once() {
    let stage = Stage::set(TWO_TASKS, Mood::UNAUTHORIZED, agents::claude, json!({}));
    let Some(stage) = stage.await else { return };
    let (run, story) = stage.settle().await;
    assert_refused_credentials(&run, &story, "set ANTHROPIC_API_KEY");
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_without_a_good_key_fails_the_run_at_once() {
    let stage = Stage::set(TWO_TASKS, Mood::UNAUTHORIZED, agents::codex, json!({}));
    let Some(stage) = stage.await else { return };
    let (run, story) = stage.settle().await;
    assert_refused_credentials(&run, &story, "codex login");
}

/// Asserts that the run waits for the limit, until `reset`, give or take what the agent leaves out in telling it.
fn assert_parked(run: &StoredRun, story: &str, reset: Time, slack_ms: i64) {
    assert_eq!(run.state, State::Queued, "{story}");
    let wait = run.facts.wait.as_ref().expect("a gate");
    assert_eq!(wait.why, WaitWhy::Limit, "{story}");
    let off = (wait.until.0 - reset.0).abs();
    assert!(
        off <= slack_ms,
        "waits until {:?}, resets at {reset:?}\n{story}",
        wait.until
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_claude_waits_until_its_limit_resets() {
    let resets_at_sec = in_sec(3600);
    let mood = Mood::limited(resets_at_sec);
    let stage = Stage::set(TWO_TASKS, mood, agents::claude_subscribed, json!({}));
    let Some(stage) = stage.await else { return };
    let (run, story) = stage.settle().await;
    assert_parked(&run, &story, Time(resets_at_sec * 1000), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_codex_waits_until_its_limit_resets() {
    let resets_at_sec = in_sec(3600);
    let mood = Mood::limited(resets_at_sec);
    let stage = Stage::set(TWO_TASKS, mood, agents::codex, json!({}));
    let Some(stage) = stage.await else { return };
    let (run, story) = stage.settle().await;
    // It tells the minute.
    assert_parked(&run, &story, Time(resets_at_sec * 1000), 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_the_middle_of_a_run_is_waited_out_and_the_run_goes_on() {
    // The window is used up when the second task begins, and stays so until the reset that is told.
    let reset = std::sync::OnceLock::new();
    let mood = Mood::plays(move |asked| {
        if asked.task() == Some("second thing") && !asked.is_review() {
            let resets_at_sec = *reset.get_or_init(|| in_sec(4));
            if in_sec(0) < resets_at_sec {
                return Answer::Refuse(Refusal::Limited { resets_at_sec });
            }
        }
        asked.work(&asked.tick())
    });
    let settings = json!({ "reviewer": false, "verify_cmds": ["test -f work.txt"] });
    let stage = Stage::set(TWO_TASKS, mood, agents::claude_subscribed, settings);
    let Some(stage) = stage.await else { return };
    let (repo, house, id) = (&stage.repo, &stage.house, &stage.id);
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    assert_eq!(
        house.path(id).await,
        "queued running verifying watchdog running queued running verifying watchdog merging completed"
    );
    let limited = house.told(id, "AGENT_LIMITED").await;
    assert_eq!(limited.len(), 1, "{story}");
    let until = limited[0]["resets_at"].as_i64().expect("a reset");
    let events = house.events(id).await;
    let started: Vec<_> = events.iter().filter(|e| e.kind == "RUN_STARTED").collect();
    assert_eq!(started.len(), 2, "{story}");
    assert!(started[1].at.0 >= until, "not before the reset\n{story}");
    assert_eq!(
        run.facts.iteration, 2,
        "the limit cost no iteration\n{story}"
    );
    assert_eq!(repo.at("agent/thing", "work.txt"), "work\nwork");
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_sleeps_through_a_long_wait_is_ended_and_the_run_waits_in_its_stead() {
    // Codex waits as long as it is told, and says nothing until then.
    let mood = Mood::Answers(Answer::Refuse(Refusal::Later { sec: 3600 }));
    // It may use more of a processor than a silent one is allowed to: then its own time is over.
    let settings =
        json!({ "agent_idle_timeout_sec": 10, "agent_timeout_sec": 60, "agent_retries": 0 });
    let stage = Stage::set(ONE_TASK, mood, agents::codex, settings).await;
    let Some(stage) = stage else { return };
    let (run, story) = stage.settle().await;
    assert_eq!(processes_of(&stage.id), [], "{story}");
    assert!(!stage.model.keys().is_empty(), "it had asked");
    // It does not say for how long: the first guess is a quarter of an hour.
    let guess = Time(in_sec(15 * 60) * 1000);
    assert_parked(&run, &story, guess, 120_000);
    let step = &stage.house.steps(&stage.id, "implementation").await[0];
    assert_eq!(
        step.facts.exit_code, None,
        "it did not end by itself: {story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_made_before_the_provider_failed_counts() {
    let mood = Mood::plays(|asked| {
        if asked.worked && !asked.is_review() {
            return Answer::Refuse(Refusal::Overloaded);
        }
        if asked.task().is_none() && !asked.is_review() {
            return Answer::Say(format!("Nothing is missing.{}", agents::COMPLETE));
        }
        asked.work(&asked.tick())
    });
    let settings = json!({ "agent_retries": 0, "verify_cmds": ["test -f work.txt"] });
    let stage = Stage::set(ONE_TASK, mood, agents::claude, settings).await;
    let Some(stage) = stage else { return };
    let (repo, house, id) = (&stage.repo, &stage.house, &stage.id);
    let (run, story) = stage.rest().await;
    assert_eq!(run.state, State::Completed, "{story}");
    let steps = house.steps(id, "implementation").await;
    let ended: Vec<_> = steps.iter().map(|s| s.facts.exit_code).collect();
    assert_eq!(ended, [Some(1), Some(0)], "{story}");
    assert_eq!(
        run.facts.iteration, 2,
        "judged, reviewed, then confirmed\n{story}"
    );
    assert_eq!(repo.at("agent/thing", "work.txt"), "work");
    house.check().await;
}
