//! The real daemon with two runs, the first of them at work until a file goes: the scene of every fault that comes while
//! something runs, how it is told, and how both runs then end well. What goes wrong is in the rooms that use this one.

use std::path::PathBuf;
use std::time::Duration;

use agent_loop::core::run::{RunId, State};
use tokio::process::Command;

use super::mortal::Dead;
use super::outcome;
use super::outside::Outside;
use super::scenario::{PLAIN, Scenario};
use super::scene::Scene;
use crate::support::PATIENCE;

/// The first agent waits until it is let go on; a second run waits for its slot.
pub(super) const WAITING: Scenario = Scenario {
    name: "waiting",
    scripts: &[
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID; touch ../waiting; while [ -e ../waiting ]; do sleep 0.05; done" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
    ],
    settings: || serde_json::json!({ "reviewer": false, "verify_cmds": ["../enter.sh check $$"] }),
    ends: &[State::Completed, State::Completed],
    ..PLAIN
};

pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

/// The daemon with both runs, the first one at work.
pub(super) async fn at_work(
    scene: &Scene,
    environment: &[(&str, PathBuf)],
) -> (Outside, Vec<RunId>) {
    at_work_by(Outside::program(), scene, environment).await
}

/// The same, started by this command.
pub(super) async fn at_work_by(
    command: Command,
    scene: &Scene,
    environment: &[(&str, PathBuf)],
) -> (Outside, Vec<RunId>) {
    let started = Outside::start_by(command, scene, None, environment).await;
    let daemon = started.unwrap_or_else(|Dead(why)| panic!("{why}"));
    let mut runs = Vec::new();
    for n in 0..2 {
        let created = daemon.create(scene, n).await;
        runs.push(created.unwrap_or_else(|Dead(why)| panic!("{why}")));
    }
    until("the first agent works", async || waiting(scene).exists()).await;
    (daemon, runs)
}

pub(super) fn waiting(scene: &Scene) -> PathBuf {
    scene.outside().join("waiting")
}

/// Waits until both runs have ended, and looks at everything.
pub(super) async fn ends_well(scene: &Scene, daemon: Outside, runs: &[RunId]) {
    until("both runs end", async || {
        let pending = daemon.reader().pending_effects().await.expect("readable");
        let mut over = pending.is_empty();
        for id in runs {
            over &= state(&daemon, id).await == State::Completed;
        }
        over
    })
    .await;
    let wrong = outcome::wrong_at_rest(scene, daemon.reader(), runs).await;
    assert_eq!(wrong, [] as [String; 0]);
    for id in runs {
        let run = daemon.run(id).await;
        assert_eq!((run.facts.iteration, run.facts.lost), (1, 0));
        let steps = daemon.reader().steps(id).await.expect("readable");
        let of = |phase: &'static str| steps.iter().filter(move |step| step.phase == phase);
        assert_eq!(of("implementation").count(), 1, "{steps:?}");
        // A merge may have had to catch up with the other run's.
        let rest = steps.iter().filter(|step| step.phase != "merge");
        let states: Vec<&str> = rest.map(|step| step.state.as_str()).collect();
        assert!(states.iter().all(|it| *it == "succeeded"), "{steps:?}");
    }
    daemon.end().await;
}

pub(super) async fn state(daemon: &Outside, id: &RunId) -> State {
    daemon.run(id).await.state
}

/// Where nothing can be written down, that is told of the run at work, and whoever asks for readiness hears it.
pub(super) async fn tells_of_both(daemon: &Outside, runs: &[RunId], gate: &str, words: &str) {
    until("the run at work is held by name", async || {
        let why = daemon.get(&format!("/runs/{}/why", runs[0])).await;
        let gates = why["gates"].as_array().expect("gates");
        gates.iter().any(|it| {
            it["gate"] == gate && it["message"].as_str().is_some_and(|it| it.contains(words))
        })
    })
    .await;
    until("the list says so", async || {
        let listed = daemon.get("/runs").await;
        let listed = listed["runs"].as_array().expect("runs");
        let ours = listed.iter().find(|it| it["id"] == runs[0].0.as_str());
        ours.expect("listed")["hold"]["gate"] == gate
    })
    .await;
    until("the daemon is not ready", async || {
        let ready = daemon.get("/ready").await;
        ready["error"]["code"] == gate
    })
    .await;
}

/// Nothing is said any more when everything can be written.
pub(super) async fn is_ready_again(daemon: &Outside) {
    until("the daemon is ready", async || {
        daemon.get("/ready").await["ready"] == true
    })
    .await;
}
