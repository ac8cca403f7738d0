//! Trouble outside of agents and checks: a step that cannot be ended holds its slot until it can, and nobody else has to
//! wait for that; a workspace that is gone fails its run.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile, processes_of};

#[tokio::test]
async fn a_step_that_is_not_known_to_be_gone_holds_its_slot_and_is_asked_about_again() {
    let (repo, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let step = house.steps(&id, "implementation").await[0].generation;
    // Nobody can write down how the step ended, or read it.
    let record = house.dir(&id).join(format!("steps/{step}/exit.json"));
    std::fs::create_dir(&record).expect("a directory");
    let _ = house.operate(&id, Event::Pause).await;
    house.resume(&id).await;
    house.gated(&id, &["previous_step_alive"]).await;
    // Reports of another run come in meanwhile.
    let beside = house.create(&other, None, json!({})).await;
    house.rests(&beside, State::Completed).await;
    house.gated(&id, &["previous_step_alive"]).await;
    assert_eq!(house.reader.holding_slots().await.expect("slots").len(), 1);
    std::fs::remove_dir(&record).expect("no directory");
    house.rests(&id, State::Completed).await;
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn a_workspace_that_is_gone_fails_the_run_and_is_not_made_anew() {
    let (repo, gone) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::open(&repo.outside().join("data"), &Options::caps(1, 1)).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let id = house.create(&gone, None, json!({})).await;
    std::fs::rename(&gone.root, gone.outside().join("moved")).expect("moved");
    stile.open();
    let why = house.failed(&id, "workspace_missing").await;
    assert!(why.contains(&gone.root.display().to_string()), "{why}");
    house.settled(&id).await;
    assert!(!gone.root.exists(), "not even for a log");
    assert!(house.file(&id, "summary.json").contains("\"failed\""));
    house.check().await;
}
