//! Steps whose start meets trouble: a keeper that works and says that it does not, a worktree in which somebody still works, a
//! daemon that dies over it. Each is begun once, and never beside another one. Ends that meet trouble are in `trouble`.

use std::fs::File;
use std::path::{Path, PathBuf};

use agent_loop::core::run::{Event, State};
use agent_loop::crash::Place;
use agent_loop::effect::keeper;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile, is_alive, processes_of};

/// A binary of loopd whose keeper in the first directory of this name comes up and works, and says that it does not.
fn voiceless(repo: &Repository, name: &str) -> PathBuf {
    repo.program(
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
    )
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
    let claude = repo.program("claude.sh", &call);
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
    let (house, crash) = House::dying(&repo, Place::Called, "keeper").await;
    house.dies_of(crash).await;
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
