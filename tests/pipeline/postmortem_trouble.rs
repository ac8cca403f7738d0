//! An agent that cannot explain its run: the summary is there, its cause is told, and nothing else happens to the run.

use agent_loop::core::run::{Event, State};
use agent_loop::effect::keeper;
use serde_json::json;

use super::ONE_TASK;
use super::operator::moved;
use super::postmortem::{analyzed, ask, ended, explains, fails_and_explains, report, settings};
use crate::support::{House, Options, Repository, eventually, processes_of};

#[tokio::test]
async fn the_summary_needs_no_agent_and_its_trouble_is_told() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = ended(
        &house,
        &repo,
        &fails_and_explains("\"auth\""),
        State::Failed,
    )
    .await;
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    assert!(!told.written);
    let why = told.failure.expect("a cause");
    assert!(why.contains("no credentials"), "{why}");
    let summary = house.file(&id, "analysis/summary.md");
    assert!(
        summary.contains("- ended: failed: agent_auth: "),
        "{summary}"
    );
    assert!(!house.dir(&id).join("analysis/report.md").exists());
    // Asked again, it is made again: what follows the script reports.
    ask(&house, &id).await;
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(
        house.file(&id, "analysis/summary.md"),
        summary,
        "the same page"
    );
    assert_eq!(house.told(&id, "POSTMORTEM_END").await.len(), 2);
    house.check().await;
}

#[tokio::test]
async fn a_limit_a_silence_or_a_timeout_of_the_agent_is_what_the_analysis_came_to() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    for (steps, says) in [
        ("{ limit = { resets_in_sec = 3600 } }", "limit"),
        ("", "the agent ended without a word"),
        ("{ say = \"On it.\" }, { exit = 1 }", "without a result"),
        ("\"hang\"", "time was over"),
    ] {
        let mut settings = settings();
        settings["agent_timeout_sec"] = json!(8);
        let script = fails_and_explains(steps);
        let id = house.create(&repo, Some(&script), settings).await;
        let stood = house.rests(&id, State::Failed).await.facts.failure;
        house.settled(&id).await;
        ask(&house, &id).await;
        let told = analyzed(&house, &id).await;
        let why = told.failure.expect("a cause");
        assert!(!told.written && why.contains(says), "{says}: {why}");
        // No gate, no hold, no retry: only its person is told.
        let run = house.run(&id).await;
        assert_eq!((run.state, run.facts.failure), (State::Failed, stood));
        assert_eq!((run.facts.wait, run.facts.due), (None, None));
        assert_eq!(processes_of(&id), []);
    }
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_is_not_installed_is_named_and_the_summary_is_there() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut settings = settings();
    settings["agent"] = json!("absent");
    settings["agents"] =
        json!({ "absent": { "driver": "exec", "command": "loopd-no-such-agent" } });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Failed).await;
    house.settled(&id).await;
    ask(&house, &id).await;
    let why = analyzed(&house, &id).await.failure.expect("a cause");
    assert!(why.contains("agent `absent`: "), "{why}");
    assert!(
        house
            .file(&id, "analysis/summary.md")
            .contains("- ended: failed: ")
    );
}

#[tokio::test]
async fn a_run_that_never_began_has_a_summary_and_nothing_to_explain() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let id = house.create(&repo, None, settings()).await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    assert_eq!((told.written, told.failure), (false, None));
    let summary = house.file(&id, "analysis/summary.md");
    assert!(summary.contains("- ended: canceled"), "{summary}");
}

#[tokio::test]
async fn an_analysis_that_another_daemon_left_is_waited_for_by_all_of_them() {
    use rustix::fs::FlockOperation::NonBlockingLockExclusive;
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = explains("{ say = \"Seen.\" }");
    let id = ended(&house, &repo, &script, State::Completed).await;
    // As its keeper holds it.
    let lock = std::fs::File::create(house.data.join("postmortem.lock")).expect("a file");
    rustix::fs::flock(&lock, NonBlockingLockExclusive).expect("nobody has it");
    ask(&house, &id).await;
    let tries = house.dir(&id).join("postmortem");
    eventually(async || {
        let refused = std::fs::read_dir(&tries).ok()?.flatten();
        let mut refused = refused.map(|it| keeper::ExitRecord::read(&it.path()));
        refused.find(|it| matches!(it, Ok(Some(exit)) if exit.refused.is_some()))
    })
    .await
    .expect("readable");
    drop(lock);
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(report(&house, &id), "Seen.\n");
    house.check().await;
}
