//! Faults that come while runs are at work, in the daemon's database and its clock: nothing is lost, what holds the runs is
//! told, and they go on when it is over. Full disks are in `full_disk`.

use agent_loop::core::run::{RunId, State};
use agent_loop::store;

use super::at_work::{
    WAITING, at_work, ends_well, is_ready_again, state, tells_of_both, until, waiting,
};
use super::mortal::Dead;
use super::outside::Outside;
use super::scenario::{PLAIN, Scenario, Wish};
use super::scene::Scene;
use crate::support::Clock;

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
        let paused = daemon.run(&runs[1]).await;
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
