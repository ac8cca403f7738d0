//! What goes wrong around the real daemon while its runs are at work: the disk is full and has room again, a stranger
//! holds the database, the clock jumps. Nobody is blamed for it, nothing is done twice, and the runs go on by themselves.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_loop::core::run::{RunId, State};
use agent_loop::effect::keeper::{self, Found};
use agent_loop::store;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::process::Command;

use super::life::Dead;
use super::outcome;
use super::outside::Outside;
use super::scenario::{PLAIN, Scenario, Wish};
use super::scene::Scene;
use crate::support::{Clock, Disk, PATIENCE};

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
async fn at_work(scene: &Scene, environment: &[(&str, PathBuf)]) -> (Outside, Vec<RunId>) {
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
        let run = daemon
            .reader()
            .run(id)
            .await
            .expect("readable")
            .expect("a run");
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
    daemon
        .reader()
        .run(id)
        .await
        .expect("readable")
        .expect("a run")
        .state
}

/// Tries to write into a directory, as a watcher beside it sees them.
struct Tries {
    watch: OwnedFd,
    given_up: usize,
}

impl Tries {
    fn below(dir: &Path) -> Tries {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let watch = inotify::init(flags).expect("inotify");
        inotify::add_watch(&watch, dir, WatchFlags::DELETE).expect("a watch");
        Tries { watch, given_up: 0 }
    }

    /// How many files have been begun there and taken away again.
    fn given_up(&mut self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        while events.next().is_ok() {
            self.given_up += 1;
        }
        self.given_up
    }
}

/// The directory of the step at which the run is.
async fn step_dir(scene: &Scene, daemon: &Outside, id: &RunId) -> PathBuf {
    let steps = daemon.reader().steps(id).await.expect("readable");
    let last = steps.last().expect("a step").generation;
    let dir = format!("runs/run-{id}/steps/{last}");
    scene.data().join(dir)
}

#[tokio::test]
async fn runs_wait_for_a_full_disk_by_a_named_gate_and_go_on_by_themselves() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    let (daemon, runs) = at_work(&scene, &[]).await;
    let dir = step_dir(&scene, &daemon, &runs[0]).await;
    let filler = disk.fill();
    let mut tries = Tries::below(&dir);
    // The agent ends while nobody can write down that it has.
    std::fs::remove_file(waiting(&scene)).expect("a file");
    until("the keeper finds no room, again and again", async || {
        let found = keeper::find(&dir).expect("no half of a record");
        assert!(matches!(found, Found::Alive(_)), "{found:?}");
        tries.given_up() > 1
    })
    .await;
    until("the second run is held for the disk", async || {
        let why = daemon.get(&format!("/runs/{}/why", runs[1])).await;
        why["gates"].to_string().contains("low_disk")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    assert_eq!(state(&daemon, &runs[1]).await, State::Queued);
    tells_of_both(&daemon, &runs, "unwritable", "is full").await;
    std::fs::remove_file(filler).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}

/// Where nothing can be written down, that is told of the run at work, and whoever asks for readiness hears it.
async fn tells_of_both(daemon: &Outside, runs: &[RunId], gate: &str, words: &str) {
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
async fn is_ready_again(daemon: &Outside) {
    until("the daemon is ready", async || {
        daemon.get("/ready").await["ready"] == true
    })
    .await;
}

#[tokio::test]
async fn a_report_that_a_full_disk_keeps_from_the_store_is_told_of_its_run() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    let (daemon, runs) = at_work(&scene, &[]).await;
    // Its end is on record, and its report waits, before the disk fills.
    let stranger = rusqlite::Connection::open(store::file(&scene.data())).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locks");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    tells_of_both(&daemon, &runs, "locked", "another process holds its lock").await;
    let filler = disk.fill();
    stranger.execute_batch("ROLLBACK").expect("unlocks");
    tells_of_both(&daemon, &runs, "unwritable", "write to the database").await;
    until("the second run is held by the store", async || {
        let why = daemon.get(&format!("/runs/{}/why", runs[1])).await;
        let gates = why["gates"].to_string();
        gates.contains("unwritable") && gates.contains("the disk is full")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    std::fs::remove_file(filler).expect("a file");
    is_ready_again(&daemon).await;
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn what_became_of_a_step_is_kept_until_the_database_has_room_for_it() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    // Only the database has no room: the step itself ends in good order.
    let _scratch = Disk::at(&scene.data().join("scratch"), 16);
    let settings = scene.outside().join("home/.config/loopd");
    std::fs::create_dir_all(&settings).expect("a directory");
    let elsewhere = format!("global_log_dir = {:?}\n", scene.outside().join("files"));
    std::fs::write(settings.join("config.toml"), elsewhere).expect("a file");
    let (daemon, runs) = at_work(&scene, &[]).await;
    let filler = disk.fill();
    let said = async {
        // What the database has reserved is used up, too.
        for wish in [Wish::Pause, Wish::Resume].into_iter().cycle() {
            if let Err(Dead(said)) = daemon.operate(&runs[1], wish).await {
                return said;
            }
        }
        String::new()
    };
    let said = tokio::time::timeout(PATIENCE, said).await;
    let said = said.expect("the disk is full");
    assert!(said.contains("full"), "{said}");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    until("the report cannot be stored", async || {
        let log = scene.noted("loopd.log");
        log.contains("failed to store a report")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    std::fs::remove_file(filler).expect("a file");
    until("the second run is in the queue again", async || {
        daemon.operate(&runs[1], Wish::Resume).await.is_ok()
    })
    .await;
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn a_stranger_that_holds_the_database_is_waited_for() {
    let scene = Scene::new(&WAITING);
    let (daemon, runs) = at_work(&scene, &[]).await;
    let stranger = rusqlite::Connection::open(store::file(&scene.data())).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locks");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    // Longer than the daemon waits for a lock before it says so.
    let id = &runs[1];
    let refused = daemon.operate(id, Wish::Pause).await;
    let Err(Dead(said)) = refused else {
        panic!("it was stored while the database was locked");
    };
    assert!(said.contains("another process holds its lock"), "{said}");
    // The first one's report was refused, too: it is the only account of what its agent has done.
    until("a report is refused", async || {
        daemon.counted("store_retries").await > 0
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    tells_of_both(&daemon, &runs, "locked", "another process holds its lock").await;
    stranger.execute_batch("ROLLBACK").expect("unlocks");
    is_ready_again(&daemon).await;
    ends_well(&scene, daemon, &runs).await;
}

/// The first call of the agent fails, and a second later it is called again.
const FAILING_ONCE: Scenario = Scenario {
    name: "failing once",
    scripts: &["then = \"default\"\n[[turn]]\nsteps = [{ exit = 3 }]\n"],
    settings: || serde_json::json!({ "reviewer": false, "agent_retry_backoff_sec": 1 }),
    ..PLAIN
};

#[tokio::test]
async fn a_wait_whose_end_cannot_be_stored_is_tried_again_in_peace() {
    let scene = Scene::new(&FAILING_ONCE);
    let started = Outside::start(&scene, None).await;
    let daemon = started.unwrap_or_else(|Dead(why)| panic!("{why}"));
    // What is due is refused at once, however often it is tried.
    let stranger = rusqlite::Connection::open(store::file(&scene.data())).expect("opens");
    stranger
        .execute_batch(
            "CREATE TRIGGER breaks BEFORE INSERT ON journal WHEN NEW.event = 'retry_due'
             BEGIN SELECT raise(ABORT, 'broken'); END",
        )
        .expect("breaks");
    let id = daemon.create(&scene, 0).await;
    let id = id.unwrap_or_else(|Dead(why)| panic!("{why}"));
    let tries = || daemon.log().matches("failed to fire a timer").count();
    until("it is tried", async || tries() > 0).await;
    let (begun, before) = (std::time::Instant::now(), tries());
    until("it is tried again", async || tries() >= before + 3).await;
    // Once a second, however long one looks; and whoever asks meanwhile is answered.
    let more = tries() - before;
    let passed = begun.elapsed();
    assert!(
        more as u64 <= passed.as_secs() + 2,
        "{more} tries in {passed:?}"
    );
    assert_eq!(daemon.get("/queue").await["held"], serde_json::json!([]));
    stranger
        .execute_batch("DROP TRIGGER breaks")
        .expect("mended");
    until("the run ends", async || {
        state(&daemon, &id).await == State::Completed
    })
    .await;
    daemon.end().await;
}

#[tokio::test]
async fn a_clock_that_jumps_two_hours_ends_no_step_and_changes_no_order() {
    let scene = Scene::new(&WAITING);
    let clock = Clock::in_dir(scene.repo.outside());
    let (daemon, runs) = at_work(&scene, &clock.environment()).await;
    let real = jiff::Timestamp::now();
    for hours in [2, -2] {
        clock.set(hours * 3600);
        // The daemon has seen the new time when it writes it down.
        let refused = daemon.operate(&runs[0], Wish::Resume).await;
        assert!(refused.is_ok(), "{refused:?}");
        let wish = Wish::Pause;
        daemon.operate(&runs[1], wish).await.expect("paused");
        let paused = daemon
            .reader()
            .run(&runs[1])
            .await
            .expect("readable")
            .expect("a run");
        let ahead = (paused.updated_at.0 - real.as_millisecond()) / 3_600_000;
        assert!(
            (ahead - hours).abs() <= 1 && ahead != 0,
            "{ahead} hours ahead"
        );
        daemon
            .operate(&runs[1], Wish::Resume)
            .await
            .expect("resumed");
        assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    }
    std::fs::remove_file(waiting(&scene)).expect("a file");
    let reader = store::open_reading(&scene.data(), store::Options::default()).expect("a store");
    ends_well(&scene, daemon, &runs).await;
    let events = reader.events(None, 0, 10_000).await.expect("events");
    let started: Vec<&RunId> = events
        .iter()
        .filter(|event| event.kind == "RUN_STARTED")
        .map(|event| &event.run_id)
        .collect();
    assert_eq!(started, [&runs[0], &runs[1]], "in the order of the queue");
    for event in events.iter().filter(|event| event.kind == "STEP_FINISHED") {
        let took = event.payload["duration_ms"].as_u64().expect("a duration");
        assert!(took < 3 * 3_600_000, "{}", event.payload);
    }
}
