//! The binary is replaced while its daemon is at work: by another one of the same name, or by none. What the old one began
//! is taken up by the new one, and a daemon whose file is gone still finds the binary that it runs.

use std::path::{Path, PathBuf};

use agent_loop::core::run::State;
use agent_loop::effect::keeper;
use tokio::process::Command;

use super::at_work::{WAITING, at_work_by, ends_well, state, waiting};
use super::mortal::Dead;
use super::outside::Outside;
use super::scene::Scene;

/// Installs a build of its own at the path, as an upgrade does: a new file, moved over the old one.
fn install(path: &Path, build: &str) {
    // By another process: a file that this one has open for writing, its children could not execute.
    let script = "cp \"$0\" \"$1.new\" && printf '%s' \"$2\" >> \"$1.new\" && mv \"$1.new\" \"$1\"";
    let done = std::process::Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_loopd")])
        .arg(path)
        .arg(build)
        .status();
    assert!(done.expect("a shell").success());
}

fn installed(scene: &Scene) -> PathBuf {
    let path = scene.outside().join("installed-loopd");
    install(&path, "the first build");
    path
}

/// The file that a process executes, as the kernel knows it.
fn executes(pid: impl std::fmt::Display) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/exe"));
    link.expect("a process").display().to_string()
}

#[tokio::test]
async fn a_step_that_one_binary_began_is_taken_up_by_the_one_that_took_its_place() {
    let scene = Scene::new(&WAITING);
    let program = installed(&scene);
    let (daemon, runs) = at_work_by(Command::new(&program), &scene, &[]).await;
    install(&program, "the second build");
    daemon.kill().await;
    let step = scene.data().join(format!("runs/run-{}/steps/1", runs[0]));
    let keeper::Found::Alive(handle) = keeper::find(&step).expect("a record") else {
        panic!("no keeper works in {}", step.display());
    };
    let keeper = handle.record().expect("a keeper").identity.pid;
    let started = Outside::start_by(Command::new(&program), &scene, None, &[]).await;
    let daemon = started.unwrap_or_else(|Dead(why)| panic!("{why}"));
    let (old, new) = (executes(keeper), executes(daemon.pid));
    assert!(old.ends_with(" (deleted)"), "{old}");
    assert_eq!(new, program.display().to_string());
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    let slots = daemon.reader().holding_slots().await.expect("readable");
    assert_eq!(slots.len(), 1, "{slots:?}");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn a_daemon_whose_binary_was_deleted_still_starts_every_step() {
    let scene = Scene::new(&WAITING);
    let program = installed(&scene);
    let (daemon, runs) = at_work_by(Command::new(&program), &scene, &[]).await;
    std::fs::remove_file(&program).expect("a file");
    assert!(executes(daemon.pid).ends_with(" (deleted)"));
    // The checks of the first run and everything of the second one are still to be started.
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}
