//! What real agents make of a provider that refuses: the run says what a person has to do, or waits until told. And what
//! is left of them when a person stops the run in the midst of a tool.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{Event, State, WaitWhy};
use agent_loop::core::time::Time;
use agent_loop::daemon;
use agent_loop::store::StoredRun;
use serde_json::Value;

use super::TWO_TASKS;
use crate::support::agents::{self, Model, Mood};
use crate::support::{House, Options, Repository, Turnstile, processes_of};

/// Runs the plan until `wanted`; nothing where the agent is not installed.
async fn run_until(
    mood: Mood,
    settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
    wanted: impl Fn(&StoredRun) -> bool,
) -> Option<(StoredRun, String)> {
    let repo = Repository::with_plan(TWO_TASKS);
    let model = Model::start(mood).await;
    let settings = settings(&repo, &model)?;
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    let run = house.wait(&id, wanted).await;
    let story = house.story(&id).await;
    house.check().await;
    Some((run, story))
}

/// Whether the run is over, held, or waits for a limit.
fn settled(run: &StoredRun) -> bool {
    matches!(run.state.kind(), Kind::Ended | Kind::Held) || run.facts.wait.is_some()
}

/// An hour from now, in whole seconds.
fn in_an_hour_sec() -> i64 {
    daemon::now().0 / 1000 + 3600
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
    let ended = run_until(Mood::Unauthorized, agents::claude, settled).await;
    if let Some((run, story)) = ended {
        assert_refused_credentials(&run, &story, "set ANTHROPIC_API_KEY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_without_a_good_key_fails_the_run_at_once() {
    let ended = run_until(Mood::Unauthorized, agents::codex, settled).await;
    if let Some((run, story)) = ended {
        assert_refused_credentials(&run, &story, "codex login");
    }
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
    let resets_at_sec = in_an_hour_sec();
    let mood = Mood::Limited { resets_at_sec };
    let ended = run_until(mood, agents::claude_subscribed, settled).await;
    if let Some((run, story)) = ended {
        assert_parked(&run, &story, Time(resets_at_sec * 1000), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_codex_waits_until_its_limit_resets() {
    let resets_at_sec = in_an_hour_sec();
    let ended = run_until(Mood::Limited { resets_at_sec }, agents::codex, settled).await;
    if let Some((run, story)) = ended {
        // It tells the minute.
        assert_parked(&run, &story, Time(resets_at_sec * 1000), 60_000);
    }
}

/// Agents run their tools in sessions of their own, where no signal to the agent's group reaches them.
async fn nothing_survives_a_cancel(settings: impl FnOnce(&Repository, &Model) -> Option<Value>) {
    let repo = Repository::with_plan(TWO_TASKS);
    let mut tool = Turnstile::new(repo.outside(), "tool");
    let model = Model::start(Mood::Runs(tool.sh())).await;
    let Some(settings) = settings(&repo, &model) else {
        return;
    };
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, settings).await;
    tool.somebody().await;
    assert!(!processes_of(&id).is_empty(), "the tool's process is seen");
    house.operate(&id, Event::Cancel).await;
    house.settled(&id).await;
    assert_eq!(processes_of(&id), [], "{}", house.story(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_claude_survives_a_cancel_in_the_midst_of_a_tool() {
    nothing_survives_a_cancel(agents::claude).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_gemini_survives_a_cancel_in_the_midst_of_a_tool() {
    nothing_survives_a_cancel(|repo, model| agents::gemini(repo, model, false)).await;
}
