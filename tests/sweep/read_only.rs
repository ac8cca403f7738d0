//! What has to be written turns read-only while runs are at work: the data directory, the workspace. Everybody waits by a
//! named gate, nobody is blamed, and the runs go on by themselves. The mounts are the daemon's own: nobody else sees them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use agent_loop::core::run::State;
use agent_loop::store;
use tokio::process::Command;

use super::at_work::{WAITING, at_work_by, ends_well, state, until, waiting};
use super::mortal::Dead;
use super::outcome;
use super::outside::Outside;
use super::scenario::{Scenario, Wish};
use super::scene::Scene;
use crate::support::not_tried;

/// A command that sees mounts of its own.
fn apart(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", program]);
    command
}

/// Only root can mount anything, and only where the kernel lets it.
async fn can_mount() -> bool {
    let tried = apart("true").stderr(Stdio::null()).status().await;
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        not_tried(
            "mounts of its own",
            "they need root, and a kernel that allows them",
        );
    }
    can
}

/// Mounts as the daemon sees them.
async fn mounting(daemon: &Outside, program: &str, arguments: &[&OsStr]) {
    let entered = Command::new("nsenter")
        .args(["--mount", "--target", &daemon.pid.to_string(), program])
        .args(arguments)
        .status()
        .await;
    let done = entered.expect("nsenter runs");
    assert!(done.success(), "{program} {arguments:?}: {done}");
}

async fn read_only(daemon: &Outside, dir: &Path) {
    let (bind, again) = ("--bind".as_ref(), "--options=remount,bind,ro".as_ref());
    mounting(daemon, "mount", &[bind, dir.as_ref(), dir.as_ref()]).await;
    mounting(daemon, "mount", &[again, dir.as_ref()]).await;
}

async fn writable(daemon: &Outside, dir: &Path) {
    mounting(daemon, "umount", &["--lazy".as_ref(), dir.as_ref()]).await;
}

async fn gates(daemon: &Outside, run: &agent_loop::core::run::RunId) -> String {
    daemon.get(&format!("/runs/{run}/why")).await["gates"].to_string()
}

/// A library that keeps the daemon from writing its open database for as long as the file exists.
fn library(scene: &Scene, source: &str) -> PathBuf {
    let library = scene.outside().join("preloaded.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    let built = built.expect("a C compiler, which SQLite needs, too");
    assert!(built.success());
    library
}

#[tokio::test]
async fn runs_wait_for_a_read_only_data_directory_by_a_named_gate_and_go_on_by_themselves() {
    if !can_mount().await {
        return;
    }
    let scene = Scene::new(&WAITING);
    let switch = scene.outside().join("read-only");
    let environment = [
        ("LD_PRELOAD", library(&scene, "tests/sweep/read_only.c")),
        ("LOOPD_TEST_READ_ONLY", switch.clone()),
    ];
    let command = apart(env!("CARGO_BIN_EXE_loopd"));
    let (daemon, runs) = at_work_by(command, &scene, &environment).await;
    read_only(&daemon, &scene.data()).await;
    std::fs::write(&switch, "").expect("a file");
    // The agent ends while nobody can write down that it has.
    std::fs::remove_file(waiting(&scene)).expect("a file");
    until("the second run is held by name", async || {
        let gates = gates(&daemon, &runs[1]).await;
        gates.contains("unwritable") && gates.contains("mounted read-only")
    })
    .await;
    let refused = daemon.operate(&runs[1], Wish::Pause).await;
    let Err(Dead(said)) = refused else {
        panic!("it was stored while nothing could be written");
    };
    assert!(
        said.contains("503") && said.contains("mounted for writing"),
        "{said}"
    );
    until("the agent has done its work", async || {
        !scene.noted("commits").is_empty()
    })
    .await;
    // Longer than the keeper waits between two tries to write down the end.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    assert_eq!(state(&daemon, &runs[1]).await, State::Queued);
    std::fs::remove_file(&switch).expect("a file");
    writable(&daemon, &scene.data()).await;
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn a_database_that_takes_nothing_on_a_disk_that_takes_all_is_a_gate_until_it_does() {
    let scene = Scene::new(&WAITING);
    let switch = scene.outside().join("read-only");
    let environment = [
        ("LD_PRELOAD", library(&scene, "tests/sweep/read_only.c")),
        ("LOOPD_TEST_READ_ONLY", switch.clone()),
    ];
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &environment).await;
    std::fs::write(&switch, "").expect("a file");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    // Nothing but the daemon's own tries can tell.
    until("the second run is held by name", async || {
        let gates = gates(&daemon, &runs[1]).await;
        gates.contains("unwritable") && gates.contains(store::FILE_NAME)
    })
    .await;
    assert!(daemon.counted("store_retries").await > 0);
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    std::fs::remove_file(&switch).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}

/// The first agent waits, once, until it is let go on; whoever is called again does not.
pub(super) const WAITING_ONCE: Scenario = Scenario {
    name: "waiting once",
    scripts: &[
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID; [ -e ../waited ] || { touch ../waited ../waiting; while [ -e ../waiting ]; do sleep 0.05; done; }" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
        WAITING.scripts[1],
    ],
    ..WAITING
};

#[tokio::test]
async fn a_workspace_that_turns_read_only_is_waited_for_and_counts_against_nobody() {
    if !can_mount().await {
        return;
    }
    let scene = Scene::new(&WAITING_ONCE);
    let command = apart(env!("CARGO_BIN_EXE_loopd"));
    let (daemon, runs) = at_work_by(command, &scene, &[]).await;
    let stored = daemon.reader().run(&runs[0]).await.expect("readable");
    let worktree = stored.and_then(|run| run.facts.worktree).expect("made");
    let places = [scene.repo.root.clone(), PathBuf::from(worktree.path)];
    for place in &places {
        read_only(&daemon, place).await;
    }
    std::fs::remove_file(waiting(&scene)).expect("a file");
    for run in &runs {
        until("the run waits by a gate of its own", async || {
            gates(&daemon, run).await.contains("read_only")
        })
        .await;
        assert_eq!(state(&daemon, run).await, State::Queued);
    }
    for place in &places {
        writable(&daemon, place).await;
    }
    until("both runs end", async || {
        let pending = daemon.reader().pending_effects().await.expect("readable");
        let mut over = pending.is_empty();
        for id in &runs {
            over &= state(&daemon, id).await == State::Completed;
        }
        over
    })
    .await;
    let wrong = outcome::wrong_at_rest(&scene, daemon.reader(), &runs).await;
    assert_eq!(wrong, [] as [String; 0]);
    for id in &runs {
        let run = daemon.reader().run(id).await.expect("readable");
        let facts = run.expect("a run").facts;
        assert_eq!((facts.iteration, facts.lost, facts.troubles), (1, 0, 0));
        let events = daemon.reader().events(Some(id), 0, 10_000).await;
        let told: Vec<String> = events
            .expect("events")
            .into_iter()
            .map(|it| it.kind)
            .collect();
        assert!(!told.iter().any(|it| it == "RUN_PAUSED"), "{told:?}");
    }
    daemon.end().await;
}

#[tokio::test]
async fn a_daemon_that_cannot_write_its_directory_says_so_and_what_works_there_goes_on() {
    if !can_mount().await {
        return;
    }
    let scene = Scene::new(&WAITING);
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &[]).await;
    daemon.kill().await;
    let data = scene.data();
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec \"$0\" --addr http://127.0.0.1:0 --data-dir \"$1\"";
    let mut command = apart("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_loopd")]);
    let out = command.arg(&data).output().await.expect("unshare runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for words in ["Read-only file system", &*data.display().to_string()] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let started = Outside::start(&scene, None).await;
    let daemon = started.unwrap_or_else(|Dead(why)| panic!("{why}"));
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}
