//! What a data directory loses behind the back of the real daemon: the lock file, the files of a run whose agent works, the
//! database. Never two daemons serve it, never two agents work in one worktree, and nothing is begun anew over what was lost.

use std::path::Path;
use std::process::{Output, Stdio};

use agent_loop::core::run::State;
use agent_loop::store;
use tokio::process::Command;

use super::at_work::{WAITING, at_work_by, ends_well, state, until, waiting};
use super::mortal::Dead;
use super::outcome;
use super::outside::Outside;
use super::read_only::WAITING_ONCE;
use super::scene::Scene;
use crate::support::PATIENCE;

/// What a `loopd` says that must not come up.
async fn refused(scene: &Scene, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopd"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(scene.data())
        .env_clear()
        .env("PATH", scene.path())
        .env("HOME", scene.outside().join("home"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    ended.expect("it does not come up").expect("loopd starts")
}

fn says(out: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

const SERVE: [&str; 2] = ["--addr", "http://127.0.0.1:0"];

#[tokio::test]
async fn a_second_daemon_is_refused_whether_the_lock_file_is_there_or_not() {
    let scene = Scene::new(&WAITING);
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &[]).await;
    let (data, pid) = (scene.data().display().to_string(), daemon.pid);
    let signed = refused(&scene, &SERVE).await;
    says(&signed, &[&data, &format!("(pid {pid}) on http://")]);
    std::fs::remove_file(scene.data().join("loopd.lock")).expect("a lock file");
    let unsigned = refused(&scene, &SERVE).await;
    says(
        &unsigned,
        &[&data, "another loopd, whose loopd.lock was removed"],
    );
    std::fs::write(scene.data().join("loopd.lock"), "").expect("a file");
    says(&refused(&scene, &SERVE).await, &[&data, "another loopd"]);
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, daemon, &runs).await;
    // With the holder goes the lock.
    let next = Outside::start(&scene, None).await;
    let next = next.unwrap_or_else(|Dead(why)| panic!("{why}"));
    next.end().await;
}

async fn goes_on_alone_after(lose: impl FnOnce(&Path)) {
    let scene = Scene::new(&WAITING_ONCE);
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &[]).await;
    daemon.kill().await;
    lose(&scene.data().join("runs"));
    let next = Outside::start(&scene, None).await;
    let next = next.unwrap_or_else(|Dead(why)| panic!("{why}"));
    // The first agent is never let go on; the next one does not wait.
    until("both runs end", async || {
        let mut over = true;
        for id in &runs {
            over &= state(&next, id).await == State::Completed;
        }
        over
    })
    .await;
    until("nothing is pending", async || {
        let pending = next.reader().pending_effects().await;
        pending.expect("readable").is_empty()
    })
    .await;
    let wrong = outcome::wrong_at_rest(&scene, next.reader(), &runs).await;
    assert_eq!(wrong, [] as [String; 0]);
    let steps = next.reader().steps(&runs[0]).await.expect("readable");
    let told: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!(told.first(), Some(&"retrying"), "{told:?}");
    next.end().await;
}

#[tokio::test]
async fn an_agent_whose_run_lost_all_its_files_is_ended_before_the_next_one_begins() {
    goes_on_alone_after(|runs| std::fs::remove_dir_all(runs).expect("removed")).await;
}

#[tokio::test]
async fn an_agent_whose_runs_files_were_moved_away_is_ended_before_the_next_one_begins() {
    goes_on_alone_after(|runs| {
        for run in std::fs::read_dir(runs).expect("readable") {
            let run = run.expect("an entry").path();
            std::fs::rename(&run, runs.join(format!("../{}", uuid::Uuid::new_v4())))
                .expect("moved");
        }
    })
    .await;
}

#[tokio::test]
async fn a_daemon_whose_database_is_gone_says_so_and_goes_on_when_it_is_back() {
    let scene = Scene::new(&WAITING);
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &[]).await;
    daemon.kill().await;
    let database = store::file(&scene.data());
    let aside = scene.outside().join("aside");
    std::fs::create_dir(&aside).expect("a directory");
    let files = || {
        let sides = ["", "-wal", "-shm"];
        sides.map(|side| format!("{}{side}", store::FILE_NAME))
    };
    for name in files() {
        // The index of the log is made anew where it is missing.
        let _ = std::fs::rename(database.with_file_name(&name), aside.join(&name));
    }
    let words = [
        &*database.display().to_string(),
        "is missing",
        "from a copy",
        "/runs",
    ];
    says(&refused(&scene, &SERVE).await, &words);
    says(&refused(&scene, &["check"]).await, &words);
    assert!(!database.exists(), "nothing was begun");
    for name in files() {
        let _ = std::fs::rename(aside.join(&name), database.with_file_name(&name));
    }
    let next = Outside::start(&scene, None).await;
    let next = next.unwrap_or_else(|Dead(why)| panic!("{why}"));
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, next, &runs).await;
}
