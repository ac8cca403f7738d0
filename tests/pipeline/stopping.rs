//! A daemon that ends takes its steps with it (`shutdown = "stop"`): all at once, without a step begun behind its back, and
//! without a loss that counts. The next daemon begins them again.

use agent_loop::config::Shutdown;
use agent_loop::core::run::{Event, RunId, State};
use agent_loop::store::StoredStep;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile, processes_of};

fn states(steps: &[StoredStep]) -> Vec<&str> {
    steps.iter().map(|step| step.state.as_str()).collect()
}

/// How the run stands after its daemon has drained: in the midst of its work, and nothing of it is alive.
async fn is_at_rest(house: &House, id: &RunId) {
    assert_eq!(processes_of(id), []);
    let steps = house.reader.steps(id).await.expect("steps");
    let open = steps.iter().filter(|it| it.state.as_str() == "in_progress");
    assert_eq!(open.count(), 0, "{}", house.story(id).await);
    assert_eq!(house.run(id).await.facts.lost, 0);
}

#[tokio::test]
async fn a_step_that_ends_with_every_daemon_is_begun_again_and_never_counts_as_lost() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!("then = \"default\"\n{}", stile.turn().repeat(7));
    let settings = json!({ "agent_retries": 0, "reviewer": false, "merge_strategy": "none" });
    let id = house.create(&repo, Some(&script), settings).await;
    for _ in 0..7 {
        stile.somebody().await;
        house.handle.drain(Shutdown::Stop).await;
        is_at_rest(&house, &id).await;
        assert_eq!(house.run(&id).await.state, State::Running);
        house.die().await;
        house = House::over(&repo).await;
    }
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    assert_eq!(states(&steps)[..7], ["canceled"; 7]);
    assert!(steps.iter().all(|step| step.attempt == 1), "{steps:?}");
    let why = steps[0].facts.message.as_deref().unwrap_or_default();
    assert!(why.contains("stopped with the daemon"), "{why}");
    house.check().await;
}

#[tokio::test]
async fn checks_end_with_their_daemon_too() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let id = house
        .create(&repo, None, json!({ "verify_cmds": [stile.sh()] }))
        .await;
    stile.somebody().await;
    house.handle.drain(Shutdown::Stop).await;
    is_at_rest(&house, &id).await;
    assert_eq!(house.run(&id).await.state, State::Verifying);
    house.die().await;
    let house = House::over(&repo).await;
    stile.somebody().await;
    stile.open();
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "verification").await;
    assert_eq!(states(&steps), ["canceled", "succeeded"]);
    house.check().await;
}

/// A shell that comes to one turnstile, and to the other one when it is told to end.
fn stubborn(begins: &Turnstile, ends: &Turnstile) -> String {
    format!(
        "[[turn]]\nsteps = [\"ignore_term\", {{ sh = \"end() {{ {}; exit 0; }}; trap end TERM; {}\" }}]\n",
        ends.sh(),
        begins.sh()
    )
}

#[tokio::test]
async fn steps_are_ended_beside_each_other_and_meanwhile_the_queue_says_why_nothing_starts() {
    let repos = [(); 2].map(|()| Repository::with_plan(ONE_TASK));
    let house = House::open(&repos[0].outside().join("data"), &Options::caps(3, 1)).await;
    let mut ends = Vec::new();
    let mut ids = Vec::new();
    for repo in &repos {
        let mut begins = Turnstile::new(repo.outside(), "begins");
        let end = Turnstile::new(repo.outside(), "ends");
        let script = stubborn(&begins, &end);
        let settings = json!({ "stop_grace_sec": 100 });
        ids.push(house.create(repo, Some(&script), settings).await);
        begins.somebody().await;
        ends.push((begins, end));
    }
    let waits = house.create(&repos[0], None, json!({})).await;
    house.gated(&waits, &["workspace_cap"]).await;
    let handle = house.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Shutdown::Stop).await });
    for (_, end) in &mut ends {
        end.somebody().await;
    }
    let gates = house.gated(&waits, &["workspace_cap", "draining"]).await;
    assert!(gates[1].message().contains("shutting down"), "{gates:?}");
    let told = house.told(&waits, "RUN_BLOCKED").await;
    let last = told.last().expect("it is blocked")["gates"].to_string();
    assert!(last.contains("draining"), "{last}");
    assert!(!drained.is_finished(), "it waits for its steps");
    for (_, end) in &mut ends {
        end.open();
    }
    drained.await.expect("it drains");
    for id in &ids {
        is_at_rest(&house, id).await;
    }
    assert_eq!(house.run(&waits).await.state, State::Queued);
    house.check().await;
}

#[tokio::test]
async fn no_step_is_begun_behind_the_back_of_a_daemon_that_ends() {
    for moment in ["RUN_CREATED", "RUN_STARTED", "WORKTREE_CREATED"] {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let id = house.create(&repo, None, json!({})).await;
        house
            .until(&id, async || {
                let told = house.told(&id, moment).await;
                (!told.is_empty()).then_some(())
            })
            .await;
        house.handle.drain(Shutdown::Stop).await;
        is_at_rest(&house, &id).await;
        let steps = house.reader.steps(&id).await.expect("steps");
        let pending = house.reader.pending_effects().await.expect("effects");
        house.die().await;
        assert_eq!(processes_of(&id), [], "nor afterwards: {moment}");
        let house = House::over(&repo).await;
        let ended = house.rests(&id, State::Completed).await;
        assert_eq!(ended.facts.lost, 0, "{moment}: {steps:?}, {pending:?}");
        house.check().await;
    }
}

#[tokio::test]
async fn what_a_person_stopped_before_the_daemon_ended_stays_stopped() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut begins = Turnstile::new(repo.outside(), "begins");
    let mut ends = Turnstile::new(repo.outside(), "ends");
    let script = stubborn(&begins, &ends);
    let settings = json!({ "stop_grace_sec": 100 });
    let id = house.create(&repo, Some(&script), settings).await;
    begins.somebody().await;
    let _ = house.operate(&id, Event::Cancel).await;
    ends.somebody().await;
    let handle = house.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Shutdown::Stop).await });
    ends.open();
    drained.await.expect("it drains");
    assert_eq!(processes_of(&id), []);
    assert_eq!(house.run(&id).await.state, State::Canceled);
    house.die().await;
    let house = House::over(&repo).await;
    house.settled(&id).await;
    assert_eq!(house.run(&id).await.state, State::Canceled);
    house.check().await;
}
