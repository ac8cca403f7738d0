//! The call for a name, while somebody cancels, pauses or restarts: it is ended or heard, made once, and nothing of it is left.

use agent_loop::config::Shutdown;
use agent_loop::core::run::{Event, State};
use agent_loop::effect::keeper;
use agent_loop::store::{self};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::ONE_TASK;
use super::naming::{are_gone, asks, calls, count, says, stays_unnamed};
use crate::support::{House, Repository, Turnstile, eventually, is_alive, processes_of};

/// Settings by which the call for a name is counted, waits at the turnstile, and says this one.
fn waits_and_says(repo: &Repository, stile: &Turnstile, name: &str) -> Value {
    let script = format!("{}; {}; {}", count(repo), stile.sh(), says(repo, name));
    asks(repo, &script)
}

#[tokio::test]
async fn a_cancel_ends_the_call_and_the_next_start_asks_anew() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = waits_and_says(&repo, &stile, "second-thought");
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    let asked = house.run(&id).await;
    assert_eq!((asked.state, asked.facts.naming), (State::Running, None));
    house.operate(&id, Event::Cancel).await;
    let run = house.settled(&id).await;
    assert_eq!((run.state, run.facts.naming), (State::Canceled, None));
    assert_eq!(processes_of(&id), []);
    are_gone(&repo.outside().join("calls"));
    let call = house.dir(&id).join("steps/1/naming");
    match keeper::find(&call).expect("readable") {
        keeper::Found::Exited(exit) => assert!(exit.canceled, "ended by its time: {exit:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        repo.git(&["branch", "--list", "run/*"]),
        "",
        "no branch was begun"
    );

    let merge_strategy = None;
    house.operate(&id, Event::Retry { merge_strategy }).await;
    stile.somebody().await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("second-thought", 2));
    house.check().await;
}

#[tokio::test]
async fn a_paused_run_holds_its_slot_until_the_call_is_gone_and_is_named_once() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let (mut begins, mut ends) = (
        Turnstile::new(repo.outside(), "begins"),
        Turnstile::new(repo.outside(), "ends"),
    );
    // The first call takes its time to end; later ones answer.
    let mut settings = asks(
        &repo,
        &format!(
            "{}; end() {{ {}; exit; }}\nif [ $(wc -l < '{}') = 1 ]; then trap end TERM; {}; fi; {}",
            count(&repo),
            ends.sh(),
            repo.outside().join("calls").display(),
            begins.sh(),
            says(&repo, "named-once")
        ),
    );
    settings["stop_grace_sec"] = json!(100);
    let script = "then = 'default'\n[[turn]]\nsteps = [{ sh = 'exit 1' }, { exit = 1 }]\n";
    settings["agents"]["scripted"] =
        json!({ "driver": "scripted", "args": [repo.beside("script.toml", script)] });
    let id = house.create(&repo, None, settings).await;
    begins.somebody().await;
    house.operate(&id, Event::Pause).await;
    ends.somebody().await;
    let paused = house.run(&id).await;
    assert_eq!(paused.state, State::Paused);
    assert!(paused.facts.step.is_some(), "it holds its slot");
    house.resume(&id).await;
    house.gated(&id, &["previous_step_alive"]).await;
    ends.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("named-once", 2));
    let told = house.told(&id, "RUN_NAMED").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        house.steps(&id, "implementation").await.len() > 2,
        "with a try more"
    );
    house.check().await;
}

#[tokio::test]
async fn a_call_outlives_its_daemon_and_its_answer_is_heard_by_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = waits_and_says(&repo, &stile, "heard-later");
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.die().await;
    let house = House::over(&repo).await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("heard-later", 1));
    assert_eq!(run.facts.lost, 0);
    house.check().await;
}

#[tokio::test]
async fn a_call_that_is_killed_with_its_daemon_and_its_keeper_leaves_the_run_its_name() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(&repo, &stile.sh());
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.die().await;
    for (pid, _) in processes_of(&id) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.expect("a process"), Signal::KILL);
    }
    eventually(async || processes_of(&id).is_empty().then_some(())).await;
    let house = House::over(&repo).await;
    let run = house.rests(&id, State::Completed).await;
    stays_unnamed(&house, &id, "ended before there was an answer").await;
    assert_eq!(run.facts.lost, 0, "no step was lost");
    house.check().await;
}

#[tokio::test]
async fn a_call_whose_keeper_alone_was_killed_does_not_work_on_beside_the_agent() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(&repo, &format!("{}; {}", count(&repo), stile.sh()));
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    let call = house.dir(&id).join("steps/1/naming");
    house.die().await;
    let record = keeper::KeeperRecord::read(&call).expect("readable");
    let pid = record.expect("a keeper").identity.pid;
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it is ours");
    let dead = u32::try_from(pid).expect("a number");
    eventually(async || (!is_alive(dead)).then_some(())).await;
    assert_ne!(processes_of(&id), [], "the call works on");
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    stays_unnamed(&house, &id, "ended before there was an answer").await;
    are_gone(&repo.outside().join("calls"));
    let steps = house.steps(&id, "implementation").await;
    assert_eq!(
        steps.len(),
        1,
        "it was gone when the agent began: {steps:?}"
    );
    house.check().await;
}

#[tokio::test]
async fn no_branch_is_made_before_the_name_is_stored() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let script = format!("{}; {}", stile.sh(), says(&repo, "stored-late"));
    let id = house.create(&repo, None, asks(&repo, &script)).await;
    stile.somebody().await;
    let stranger = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locked");
    stile.open();
    // The answer could not be stored, and the lane had its turn since.
    eventually(async || (house.metrics.store_retries.get() > 1).then_some(())).await;
    assert_eq!(repo.git(&["branch", "--list", "run/*"]), "");
    stranger.execute_batch("ROLLBACK").expect("free again");
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.name(), "stored-late");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(branch, "run/stored-late");
    house.check().await;
}

#[tokio::test]
async fn a_call_ends_with_its_daemon_where_steps_do() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(&repo, &stile.sh());
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.handle.drain(Shutdown::Stop).await;
    assert_eq!(processes_of(&id), []);
    assert_eq!(house.run(&id).await.state, State::Running);
    house.die().await;
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    stays_unnamed(&house, &id, "ended before there was an answer").await;
    house.check().await;
}
