//! Who is asked for a name, and about what; and a name that is not one run's alone.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::ONE_TASK;
use super::naming::{asks, says, told};
use crate::support::{House, Repository, request};

#[tokio::test]
async fn a_run_asks_its_own_agent_where_that_can_answer() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut settings = asks(&repo, &says(&repo, "by-my-own"));
    let program = settings["agents"]["claude"]["command"].clone();
    settings["agent"] = json!("mine");
    settings["agents"]["mine"] = json!({ "driver": "claude", "command": program });
    settings["agents"]["claude"] = json!({ "command": "/nowhere/claude" });
    let id = house.create(&repo, None, settings).await;
    let told = told(&house, &id).await;
    assert_eq!(told["name"], "by-my-own", "{told}");
    assert_eq!(told["message"], "made up by mine (haiku)");
    house.operate(&id, Event::Cancel).await;
    house.settled(&id).await;
}

#[tokio::test]
async fn a_name_that_several_runs_have_is_taken() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    for _ in 0..2 {
        let mut given = request(&repo, None, json!({ "reviewer": false }));
        given.name = Some("alike".to_owned());
        let id = house.try_create(given).await.expect("a run");
        house.operate(&id, Event::Cancel).await;
        house.settled(&id).await;
    }
    let settings = asks(&repo, &says(&repo, "alike"));
    let id = house.create(&repo, None, settings).await;
    assert_eq!(told(&house, &id).await["name"], "alike-2");
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn a_spec_that_is_not_committed_is_asked_about_as_it_was_when_the_run_was_created() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let seen = repo.outside().join("seen");
    let script = format!("cat > '{}'; {}", seen.display(), says(&repo, "as-it-is"));
    let mut ask = request(&repo, None, asks(&repo, &script));
    ask.snapshot = true;
    repo.write("specs/thing.md", "# Thing\n\nMake it round.\n");
    let id = house.try_create(ask).await.expect("a run");
    assert_eq!(told(&house, &id).await["name"], "as-it-is");
    let seen = std::fs::read_to_string(&seen).expect("it was asked");
    assert!(seen.contains("Make it round."), "{seen}");
    house.rests(&id, State::Completed).await;
}
