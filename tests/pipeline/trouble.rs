//! Trouble outside of agents and checks: a step that cannot be ended holds its slot until it can, and nobody else has to
//! wait for that; a workspace that is gone fails its run.

use std::path::PathBuf;
use std::sync::mpsc;

use agent_loop::core::run::{Event, RunId, State, StepId};
use agent_loop::effect::keeper;
use serde_json::json;

use super::ONE_TASK;
use super::operator::moved;
use super::postmortem::ask;
use crate::keeper::out_of_reach::{sees_whom_it_may_not_signal, without_signals};
use crate::keeper::step::Bystander;
use crate::support::{
    House, Options, PATIENCE, RETRY, Repository, Turnstile, eventually, processes_of,
};

/// From now on nobody can write down how the agent's step ended, or read it, until the directory in its place is removed.
async fn without_a_record(house: &House, id: &RunId) -> PathBuf {
    let record = house.step_dir(id, "implementation").await.join("exit.json");
    std::fs::create_dir(&record).expect("a directory");
    record
}

#[tokio::test]
async fn a_step_that_is_not_known_to_be_gone_holds_its_slot_and_is_asked_about_again() {
    let (repo, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let record = without_a_record(&house, &id).await;
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
async fn the_end_of_a_run_is_written_down_when_its_step_is_gone_whatever_is_asked_for_meanwhile() {
    let (repo, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let record = without_a_record(&house, &id).await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    ask(&house, &id).await;
    eventually(async || processes_of(&id).is_empty().then_some(())).await;
    // Reports of another run come in meanwhile.
    let beside = house.create(&other, None, json!({})).await;
    house.rests(&beside, State::Completed).await;
    assert!(house.run(&id).await.facts.step.is_some());
    assert!(!house.dir(&id).join("summary.json").exists());
    std::fs::remove_dir(&record).expect("no directory");
    house.settled(&id).await;
    let journal = house.journal().into_iter().filter(|it| it.0 == id.0);
    let told: Vec<String> = journal.map(|it| it.1).collect();
    let at = |event: &str| told.iter().position(|it| it == event).expect("it is told");
    assert!(at("step_gone") < at("closed"), "{told:?}");
    assert!(at("closed") < at("analyzed"), "{told:?}");
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
    let script = stile.first_turn();
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

#[tokio::test]
async fn a_repository_that_is_moved_away_while_its_agent_works_finds_its_place_empty_when_it_comes_back()
 {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let away = repo.outside().join("away");
    std::fs::rename(&repo.root, &away).expect("moved");
    stile.open();
    house.failed(&id, "workspace_missing").await;
    house.settled(&id).await;
    assert!(!repo.root.exists());
    std::fs::rename(&away, &repo.root).expect("moved back");
    moved(&house, &id, RETRY, State::Queued).await;
    house.rests(&id, State::Completed).await;
    house.check().await;
}

/// A daemon that may signal nobody but what it started, and a process of a step that it did not start.
#[test]
fn a_step_of_which_something_cannot_be_ended_holds_its_slot_until_that_is_gone() {
    if !sees_whom_it_may_not_signal() {
        return;
    }
    let (ask, asked) = mpsc::channel::<String>();
    let (gone, wait) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let (answer, answered) = gone;
    let (end, ended) = wait;
    // Outside of the fence.
    let stranger = std::thread::spawn(move || {
        let marker = asked.recv_timeout(PATIENCE).expect("a step works");
        let mut stranger = Bystander::carrying(&marker);
        answer.send(()).expect("somebody waits");
        ended.recv_timeout(2 * PATIENCE).expect("it was looked for");
        stranger.lives()
    });
    without_signals(async move || {
        let (repo, other) = (
            Repository::with_plan(ONE_TASK),
            Repository::with_plan(ONE_TASK),
        );
        let house = House::over(&repo).await;
        let mut stile = Turnstile::new(repo.outside(), "agent");
        let script = stile.turn();
        let id = house.create(&repo, Some(&script), json!({})).await;
        stile.somebody().await;
        let step = StepId::new(&id, house.steps(&id, "implementation").await[0].generation);
        ask.send(keeper::marker(&step.0)).expect("sent");
        answered.recv_timeout(PATIENCE).expect("it is there");
        let _ = house.operate(&id, Event::Cancel).await;
        let next = house
            .create(&repo, None, json!({ "merge_strategy": "none" }))
            .await;
        let own = async |id: &RunId| {
            let all = processes_of(id).into_iter();
            all.filter(|(_, line)| !line.starts_with("sleep 1000"))
                .count()
        };
        eventually(async || (own(&id).await == 0).then_some(())).await;
        // Reports of another run come in meanwhile.
        let beside = house.create(&other, None, json!({})).await;
        house.rests(&beside, State::Completed).await;
        house.gated(&next, &["workspace_cap"]).await;
        assert_eq!(house.reader.holding_slots().await.expect("slots").len(), 1);
        let stands = async || {
            house.steps(&id, "implementation").await[0]
                .state
                .to_string()
        };
        assert_eq!(stands().await, "in_progress", "it is not known to be gone");
        end.send(()).expect("sent");
        house.rests(&next, State::Completed).await;
        house.settled(&id).await;
        assert_eq!(stands().await, "canceled");
        house.check().await;
    });
    assert!(stranger.join().expect("no panic"), "it was not ended");
}
