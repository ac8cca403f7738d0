//! Daemons and keepers die; the run ends as if nobody had.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{Event, RunId, State};
use agent_loop::crash::Place;
use agent_loop::effect::keeper::{self, Found};
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, Turnstile, keeper_in, kill_keeper, processes_of};

/// One rejection and one failed verification on the way; each call leaves a line beside the repository.
const EVENTFUL: &str = r#"
    [[turn]]
    steps = [{ sh = "echo call >> ../calls" }, { write = { path = "state", text = "bad" } }, { tick = "next" }, { commit = "One" }, "complete"]
    [[turn]]
    steps = [{ sh = "echo call >> ../calls" }, { write = { path = "state", text = "good" } }, { tick = "next" }, { commit = "Two" }, "complete"]
    [[turn]]
    role = "review"
    steps = [{ sh = "echo review >> ../calls" }, { verdict = { approved = false, findings = "it is bad" } }]
    [[turn]]
    role = "review"
    steps = [{ sh = "echo review >> ../calls" }, { verdict = { approved = true } }]
"#;

fn eventful() -> serde_json::Value {
    json!({ "verify_cmds": ["echo check >> ../calls; test $(cat state) = good"] })
}

/// What a run came to, as far as it must not depend on who died on the way.
async fn outcome(house: &House, repo: &Repository, id: &RunId) -> [String; 5] {
    house.rests(id, State::Completed).await;
    house.settled(id).await;
    house.check().await;
    let report = house.file(id, "report.tsv");
    let kinds = report.lines().filter_map(|row| row.split('\t').nth(1));
    [
        house.path(id).await,
        std::fs::read_to_string(repo.outside().join("calls")).expect("calls"),
        repo.git(&["rev-parse", "agent/thing^{tree}"]),
        repo.git(&["log", "--format=%s", "main..run/thing"]),
        kinds.collect::<Vec<_>>().join(" "),
    ]
}

#[tokio::test]
async fn a_daemon_that_dies_at_every_change_of_state_changes_nothing() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house.create(&repo, Some(EVENTFUL), eventful()).await;
    let undisturbed = outcome(&house, &repo, &id).await;
    assert_eq!(undisturbed[1], "call\nreview\ncheck\ncall\nreview\ncheck\n");

    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let id = house.create(&repo, Some(EVENTFUL), eventful()).await;
    let (mut seen, mut deaths) = (0, 0);
    loop {
        let changes = house.until(&id, async || {
            let changes = house.told(&id, "RUN_STATE_CHANGED").await.len();
            let ended = house.run(&id).await.state.kind() == Kind::Ended;
            (changes > seen || ended).then_some(changes)
        });
        seen = changes.await;
        if house.run(&id).await.state.kind() == Kind::Ended {
            break;
        }
        house.die().await;
        deaths += 1;
        house = House::over(&repo).await;
    }
    assert!(deaths > 4, "only {deaths} deaths");
    // Once more, for what is left to do after the end.
    house.die().await;
    let house = House::over(&repo).await;
    assert_eq!(outcome(&house, &repo, &id).await, undisturbed);
    assert_eq!(repo.git(&["rev-list", "--count", "main..agent/thing"]), "1");
    assert_eq!(processes_of(&id), []);
}

#[tokio::test]
async fn an_agent_outlives_its_daemon_and_is_not_called_twice() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Once\" }}, \"complete\"]\n",
        stile.sh()
    );
    let id = house
        .create(&repo, Some(&script), json!({ "merge_strategy": "none" }))
        .await;
    stile.somebody().await;
    house.die().await;
    assert!(!processes_of(&id).is_empty(), "it works on");
    let house = House::over(&repo).await;
    assert_eq!(house.run(&id).await.state, State::Running);
    assert_eq!(house.reader.holding_slots().await.expect("slots").len(), 1);
    stile.open();
    house.rests(&id, State::Completed).await;
    assert!(stile.is_empty(), "nobody came a second time");
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn what_ended_while_no_daemon_was_there_is_taken_up() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let id = house
        .create(&repo, None, json!({ "verify_cmds": [stile.sh()] }))
        .await;
    stile.somebody().await;
    let dir = house.step_dir(&id, "verification").await;
    house.die().await;
    let keeper = keeper_in(&dir);
    stile.open();
    let _ = keeper.wait().await.expect("an end");
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    assert!(stile.is_empty(), "the checks ran once");
}

/// A daemon that dies when it has started the keeper of its one run's agent, and has not recorded that yet; its data, and
/// the directory of the step.
async fn dies_before_the_start_is_recorded(
    repo: &Repository,
    script: &str,
) -> (RunId, std::path::PathBuf) {
    let (house, crash) = House::dying(repo, Place::Called, "keeper").await;
    let settings = json!({ "merge_strategy": "none", "agent_retries": 0 });
    let id = house.create(repo, Some(script), settings).await;
    crash.died().await;
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!(states, ["queued"], "its start is not recorded");
    let dir = house.step_dir(&id, "implementation").await;
    house.die().await;
    (id, dir)
}

#[tokio::test]
async fn a_step_that_ended_before_its_start_was_recorded_is_taken_up_as_one_that_did_both() {
    let repo = Repository::with_plan(ONE_TASK);
    let script = r#"
        [[turn]]
        steps = [{ sh = "echo call >> ../calls" }, { tick = "next" }, { commit = "Once" }, "complete"]
    "#;
    let (id, dir) = dies_before_the_start_is_recorded(&repo, script).await;
    if let Found::Alive(keeper) = keeper::find(&dir).expect("a record") {
        let _ = keeper.wait().await.expect("an end");
    }
    assert!(matches!(keeper::find(&dir), Ok(Found::Exited(_))));
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    let calls = std::fs::read_to_string(repo.outside().join("calls"));
    assert_eq!(calls.expect("calls"), "call\n");
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!(states, ["succeeded"]);
    assert!(steps[0].facts.started_at <= steps[0].facts.ended_at);
    let told = |kind: &'static str| house.told(&id, kind);
    let of_the_agent = |told: Vec<serde_json::Value>| {
        let mine = told.into_iter().filter(|it| it["step_id"] == steps[0].id.0);
        mine.count()
    };
    assert_eq!(of_the_agent(told("STEP_STARTED").await), 1);
    assert_eq!(of_the_agent(told("STEP_FINISHED").await), 1);
    house.settled(&id).await;
    house.check().await;
}

#[tokio::test]
async fn a_step_that_was_lost_before_its_start_was_recorded_is_started_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let (id, dir) = dies_before_the_start_is_recorded(&repo, &script).await;
    stile.somebody().await;
    kill_keeper(&dir).await;
    assert!(!processes_of(&id).is_empty(), "the agent has outlived both");
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!(states, ["retrying", "succeeded"]);
    house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn a_step_whose_keeper_is_killed_is_started_again_and_no_retry_is_spent() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        r#"
        then = "default"
        [[turn]]
        steps = [
            {{ write = {{ path = "half", text = "half\n" }} }},
            {{ sh = "touch $(git rev-parse --git-path index.lock)" }},
            {{ sh = "{}" }},
        ]
        "#,
        stile.sh()
    );
    let id = house
        .create(&repo, Some(&script), json!({ "agent_retries": 0 }))
        .await;
    stile.somebody().await;
    house.kill_keeper(&id, "implementation").await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 1);
    let steps = house.steps(&id, "implementation").await;
    let told: Vec<(&str, u32)> = steps
        .iter()
        .map(|s| (s.state.as_str(), s.attempt))
        .collect();
    assert_eq!(told, [("retrying", 1), ("succeeded", 1)]);
    assert_eq!(
        repo.at("agent/thing", "half"),
        "half",
        "what the lost agent had done is kept"
    );
    house.check().await;
}

#[tokio::test]
async fn checks_whose_keeper_and_daemon_are_killed_are_run_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let id = house
        .create(&repo, None, json!({ "verify_cmds": [stile.sh()] }))
        .await;
    stile.somebody().await;
    let dir = house.step_dir(&id, "verification").await;
    house.die().await;
    kill_keeper(&dir).await;
    assert!(
        !processes_of(&id).is_empty(),
        "the check has outlived its keeper"
    );
    let house = House::over(&repo).await;
    stile.somebody().await;
    assert_eq!(house.run(&id).await.state, State::Verifying);
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "verification").await.len(), 2);
    assert_eq!(processes_of(&id), []);
}

#[tokio::test]
async fn a_step_that_is_lost_every_time_asks_a_person() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    for _ in 0..6 {
        stile.somebody().await;
        house.kill_keeper(&id, "implementation").await;
    }
    let why = house.held(&id, "step_lost").await;
    assert!(why.contains("killed 6 times"), "{why}");
}

#[tokio::test]
async fn a_stop_that_the_daemon_did_not_live_to_see_is_made_by_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Cancel).await;
    house.die().await;
    let house = House::over(&repo).await;
    house.settled(&id).await;
    assert_eq!(house.run(&id).await.state, State::Canceled);
    assert_eq!(processes_of(&id), []);
    house.check().await;
}
