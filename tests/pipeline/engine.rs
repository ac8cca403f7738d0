//! The engine under pressure: what is due goes on while everybody asks, and a store that somebody else has locked holds
//! the queue with a gate and breaks nothing.

use std::future::poll_fn;
use std::task::Poll;

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::core::schedule::Gate;
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::daemon;
use agent_loop::store::{self, Answer};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ONE_TASK;
use crate::support::{House, Options, PATIENCE, RESUME, Repository, Turnstile, eventually};

#[tokio::test]
async fn a_wait_that_is_over_is_not_starved_by_an_inbox_that_is_never_empty() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [{ exit = 3 }]\n";
    let settings = json!({ "agent_retry_backoff_sec": 1, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.wait(&id, |run| run.facts.due.is_some()).await;
    // More of them than the inbox has room for, and each asks again as soon as it has its answer.
    let enough = CancellationToken::new();
    for _ in 0..400 {
        let (handle, enough) = (house.handle.clone(), enough.clone());
        tokio::spawn(
            enough
                .run_until_cancelled_owned(async move { while handle.explain().await.is_ok() {} }),
        );
    }
    house
        .wait(&id, |run| {
            run.facts.due.is_none() && run.facts.step.is_some()
        })
        .await;
    enough.cancel();
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn what_is_due_goes_before_what_waits_in_the_inbox() {
    let (repo, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let options = Options {
        busy_timeout: PATIENCE,
        ..Options::caps(1, 1)
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [{ exit = 3 }]\n";
    let settings = json!({ "agent_retry_backoff_sec": 2, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.wait(&id, |run| run.state == State::Running).await;
    let waits = house.create(&other, None, json!({})).await;
    house.gated(&waits, &["global_cap"]).await;
    let run = house.wait(&id, |run| run.facts.due.is_some()).await;
    let due = run.facts.due.expect("a wait");
    let stranger = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locked");
    // The engine is at the first of them for as long as the lock is held; the others wait in its inbox.
    let wishes = [Event::Pause, RESUME].into_iter().cycle().take(40);
    let mut asked: Vec<_> = wishes
        .map(|wish| Box::pin(house.operate(&waits, wish)))
        .collect();
    poll_fn(|cx| {
        for it in &mut asked {
            assert!(it.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    eventually(async || (daemon::now() >= due).then_some(())).await;
    stranger.execute_batch("ROLLBACK").expect("free again");
    for it in asked {
        let answer = it.await;
        assert!(matches!(answer, Answer::Moved(_)), "{answer:?}");
    }
    house.rests(&id, State::Completed).await;
    let journal = house.journal();
    let at = |run: &RunId, event: &str| {
        let wanted = (run.0.as_str(), event);
        let is_wanted = |it: &(String, String)| (it.0.as_str(), it.1.as_str()) == wanted;
        journal.iter().rposition(is_wanted).expect("it is stored")
    };
    assert!(at(&id, "retry_due") < at(&waits, "resume"), "{journal:?}");
}

#[tokio::test]
async fn a_bug_of_a_performer_is_trouble_with_its_text_and_wedges_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let options = Options {
        crash: Crash::at(CrashPoint {
            place: Place::Calling,
            name: Some("keeper".to_owned()),
            nth: 1,
            death: Death::Panic,
        }),
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let id = house
        .create(&repo, None, json!({ "reviewer": false }))
        .await;
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let why = steps[0].facts.message.as_deref().unwrap_or_default();
    assert!(
        why.contains("a bug in loopd") && why.contains("a planted bug"),
        "{why}"
    );
    assert_eq!(steps.len(), 2, "it is tried again");
    house.check().await;
}

#[tokio::test]
async fn a_database_that_a_stranger_has_locked_is_a_gate_until_it_is_free() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Do\" }}, \"complete\"]\n",
        stile.sh()
    );
    let settings = json!({ "reviewer": false, "merge_strategy": "none" });
    let first = house.create(&repo, Some(&script), settings.clone()).await;
    stile.somebody().await;
    let second = house.create(&repo, None, settings).await;
    house.gated(&second, &["workspace_cap"]).await;
    let stranger = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locked");
    // The first one's report cannot be stored.
    stile.open();
    let locked = async {
        loop {
            let schedule = house.handle.explain().await.expect("a schedule");
            let gates = schedule.held.into_iter().flat_map(|held| held.gates);
            if let Some(gate) = gates.into_iter().find(|gate| gate.name() == "locked") {
                return gate;
            }
        }
    };
    let gate = tokio::time::timeout(PATIENCE, locked).await;
    let gate = gate.expect("the gate is named");
    assert!(matches!(&gate, Gate::Locked { message, .. } if message.contains("loopd.db")));
    assert!(gate.message().contains("another process holds its lock"));
    stranger.execute_batch("ROLLBACK").expect("free again");
    for id in [&first, &second] {
        house.rests(id, State::Completed).await;
    }
    house.check().await;
}

/// A run of which the lock is taken between its worktree, which is recorded, and its agent, which is about to be started.
async fn caught(
    house: &House,
    repo: &Repository,
    stranger: &rusqlite::Connection,
    stile: &mut Turnstile,
) -> RunId {
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Do\" }}, \"complete\"]\n",
        stile.sh()
    );
    let settings = json!({ "reviewer": false, "agent_retries": 0, "merge_strategy": "none" });
    for _ in 0..20 {
        let id = house.create(repo, Some(&script), settings.clone()).await;
        house.wait(&id, |run| run.facts.worktree.is_some()).await;
        stranger.execute_batch("BEGIN IMMEDIATE").expect("locked");
        let steps = house.steps(&id, "implementation").await;
        stile.somebody().await;
        if steps[0].state.as_str() == "queued" {
            return id;
        }
        // Its agent was faster.
        stranger.execute_batch("ROLLBACK").expect("free again");
        stile.open();
        house.rests(&id, State::Completed).await;
    }
    panic!("every agent was faster");
}

#[tokio::test]
async fn a_step_that_begins_while_a_stranger_holds_the_database_goes_on_and_is_recorded_later() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let stranger = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    let id = caught(&house, &repo, &stranger, &mut stile).await;
    // Each of these waits for as long as the daemon waits for a lock; what the step has to tell is refused between them.
    for _ in 0..2 {
        let refused = house.handle.operate(id.clone(), Event::Pause).await;
        let refused = refused.expect_err("it was stored while the database was locked");
        assert!(refused.to_string().contains("another process"), "{refused}");
    }
    stranger.execute_batch("ROLLBACK").expect("free again");
    // The world is told nothing of it.
    eventually(async || {
        let steps = house.steps(&id, "implementation").await;
        (steps[0].state.as_str() == "in_progress").then_some(())
    })
    .await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.facts.lost, run.facts.troubles), (0, 0));
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["succeeded"], "{}", house.story(&id).await);
    house.check().await;
}

/// The database without its guards, so that anything can be written into it.
fn tampering(data: &std::path::Path) -> rusqlite::Connection {
    let raw = rusqlite::Connection::open(store::file(data)).expect("opens");
    raw.busy_timeout(PATIENCE).expect("patience");
    raw.execute_batch(
        "DROP TRIGGER IF EXISTS run_update; DROP TRIGGER IF EXISTS runs_change_with_rev;",
    )
    .expect("tampers");
    raw
}

#[tokio::test]
async fn what_is_to_be_performed_waits_until_its_run_can_be_read() {
    let repo = Repository::with_plan(ONE_TASK);
    let data = repo.outside().join("data");
    let (house, crash) = House::dying(&repo, Place::Begun, "prepare_worktree").await;
    let id = house.create(&repo, None, json!({})).await;
    house.dies_of(crash).await;
    let raw = tampering(&data);
    let select = "SELECT facts FROM runs";
    let facts: String = raw.query_row(select, [], |row| row.get(0)).expect("facts");
    raw.execute("UPDATE runs SET facts = '{}'", [])
        .expect("tampers");
    drop(raw);
    let house = House::over(&repo).await;
    // It answers when it has tried everything once.
    house.handle.explain().await.expect("a schedule");
    assert!(house.reader.run(&id).await.is_err(), "it can be read");
    let raw = tampering(&data);
    raw.execute("UPDATE runs SET facts = ?1", [facts])
        .expect("mends");
    house.rests(&id, State::Completed).await;
    house.check().await;
}
