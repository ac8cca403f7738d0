//! Trouble outside of agents and checks: a step that cannot be ended holds its slot until it can, and nobody else has to
//! wait for that; a workspace that is gone fails its run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use agent_loop::core::run::{Event, RunId, State, StepId};
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::effect::keeper;
use serde_json::json;

use super::ONE_TASK;
use super::operator::{RETRY, moved};
use super::postmortem::ask;
use crate::keeper::out_of_reach::{sees_whom_it_may_not_signal, without_signals};
use crate::keeper::step::Bystander;
use crate::support::{
    House, Options, PATIENCE, Repository, Turnstile, agents, eventually, is_alive, processes_of,
};

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
async fn the_end_of_a_run_is_written_down_when_its_step_is_gone_whatever_is_asked_for_meanwhile() {
    let (repo, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!("[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n", stile.sh());
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let step = house.steps(&id, "implementation").await[0].generation;
    // Nobody can write down how the step ended, or read it.
    let record = house.dir(&id).join(format!("steps/{step}/exit.json"));
    std::fs::create_dir(&record).expect("a directory");
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

/// A binary of loopd whose keeper in the first directory of this name comes up and works, and says that it does not.
fn voiceless(repo: &Repository, name: &str) -> PathBuf {
    let exe = repo.beside(
        "loopd.sh",
        &format!(
            r#"#!/bin/sh
            if [ "$1" = __keeper ] && [ "${{2##*/}}" = {name} ] && mkdir '{spent}'; then
                "{loopd}" "$@" > /dev/null &
                until [ -s '{pids}' ]; do sleep 0.05; done
                echo "it has lost its voice"
                exit 1
            fi
            exec "{loopd}" "$@"
            "#,
            spent = repo.outside().join("spent").display(),
            pids = repo.outside().join("pids").display(),
            loopd = env!("CARGO_BIN_EXE_loopctl"),
        ),
    );
    agents::make_executable(&exe);
    exe
}

async fn with_voiceless(repo: &Repository, name: &str) -> House {
    let options = Options {
        self_exe: Some(voiceless(repo, name)),
        ..Options::default()
    };
    House::open(&repo.outside().join("data"), &options).await
}

fn noted(repo: &Repository) -> u32 {
    let pids = std::fs::read_to_string(repo.outside().join("pids")).expect("it was called");
    let first = pids.lines().next().expect("a line");
    first.trim().parse().expect("a pid")
}

#[tokio::test]
async fn a_step_that_began_although_its_start_met_trouble_is_ended_before_another_one_begins() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = with_voiceless(&repo, "1").await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ sh = "echo $PPID >> ../pids" }, "hang"]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.wait(&id, |run| run.facts.troubles > 0).await;
    assert!(!is_alive(noted(&repo)), "it works on unheard");
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let why = steps[0].facts.message.clone().unwrap_or_default();
    assert!(why.contains("it has lost its voice"), "{why}");
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn a_call_for_a_name_that_began_although_its_start_met_trouble_is_ended() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = with_voiceless(&repo, "naming").await;
    let pids = repo.outside().join("pids");
    let call = format!(
        "#!/bin/sh\necho $$ > '{}'; exec sleep 1000\n",
        pids.display()
    );
    let claude = repo.beside("claude.sh", &call);
    agents::make_executable(&claude);
    let settings = json!({
        "run_naming_mode": "haiku",
        "reviewer": false,
        "agents": { "scripted": { "driver": "scripted" }, "claude": { "command": claude } },
    });
    let id = house.create(&repo, None, settings).await;
    let told = house
        .until(&id, async || house.told(&id, "RUN_NAMED").await.pop())
        .await;
    let why = told["message"].as_str().expect("words");
    assert!(why.contains("it has lost its voice"), "{why}");
    assert!(!is_alive(noted(&repo)), "it works on unheard");
    house.rests(&id, State::Completed).await;
    assert_eq!(processes_of(&id), []);
}

/// Somebody who works in the run's worktree, for as long as this lives.
fn works_there(dir: &Path) -> File {
    std::fs::create_dir_all(dir).expect("a directory");
    let lock = File::create(dir.join("worktree.lock")).expect("a file");
    lock.try_lock().expect("nobody works there");
    lock
}

#[tokio::test]
async fn no_agent_begins_in_a_worktree_that_somebody_works_in() {
    let repo = Repository::with_plan(ONE_TASK);
    let data = repo.outside().join("data");
    let house = House::open(&data, &Options::caps(0, 1)).await;
    let settings = json!({ "agent_retries": 0, "reviewer": false });
    let id = house.create(&repo, None, settings).await;
    house.die().await;
    let somebody = works_there(&data.join(format!("runs/run-{id}")));
    let house = House::over(&repo).await;
    house.wait(&id, |run| run.facts.troubles > 0).await;
    drop(somebody);
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let why = steps[0].facts.message.clone().unwrap_or_default();
    assert!(why.contains(keeper::BUSY), "{why}");
    let done = steps.iter().filter(|it| it.state.as_str() == "succeeded");
    assert_eq!(done.count(), 1, "{steps:?}");
    house.check().await;
}

#[tokio::test]
async fn no_check_begins_in_a_worktree_that_somebody_works_in() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let settings = json!({ "verify_cmds": [stile.sh()], "reviewer": false });
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Pause).await;
    house.settled(&id).await;
    let somebody = works_there(&house.dir(&id));
    house.resume(&id).await;
    house.wait(&id, |run| run.facts.troubles > 0).await;
    assert!(stile.is_empty(), "no check has begun");
    drop(somebody);
    stile.somebody().await;
    stile.open();
    house.rests(&id, State::Completed).await;
    house.check().await;
}

#[tokio::test]
async fn a_start_that_was_refused_before_the_daemon_died_is_made_by_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let data = repo.outside().join("data");
    let house = House::open(&data, &Options::caps(0, 1)).await;
    let settings = json!({ "agent_retries": 0, "reviewer": false, "merge_strategy": "none" });
    let id = house.create(&repo, None, settings).await;
    house.die().await;
    let somebody = works_there(&data.join(format!("runs/run-{id}")));
    let crash = Crash::at(CrashPoint {
        place: Place::Called,
        name: Some("keeper".to_owned()),
        nth: 1,
        death: Death::Quit,
    });
    let options = Options {
        crash: crash.clone(),
        ..Options::default()
    };
    let house = House::open(&data, &options).await;
    crash.died().await;
    house.die().await;
    let steps = std::fs::read_dir(data.join(format!("runs/run-{id}/steps"))).expect("steps");
    let steps: Vec<PathBuf> = steps.flatten().map(|it| it.path()).collect();
    let [step] = steps.as_slice() else {
        panic!("one step was begun: {steps:?}");
    };
    let Ok(keeper::Found::Exited(exit)) = keeper::find(step) else {
        panic!("its keeper has ended");
    };
    let refused = exit.refused.expect("it was refused");
    assert!(refused.starts_with(keeper::BUSY), "{refused}");
    drop(somebody);
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["succeeded"]);
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
        let script = format!("[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n", stile.sh());
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
