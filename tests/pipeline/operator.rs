//! What a person can do, and in which state; everything else is refused in the words of the table.

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::store::Answer;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, RESUME, RETRY, Repository, Turnstile, processes_of};

/// Who does the first call, waits at a turnstile before that; later calls are not asked to.
fn waits_once(stile: &Turnstile) -> String {
    format!(
        r#"
        then = "default"
        [[turn]]
        steps = [{{ write = {{ path = "half", text = "half\n" }} }}, {{ sh = "{}" }}]
        "#,
        stile.sh()
    )
}

/// The event moves the run there.
pub(super) async fn moved(house: &House, id: &RunId, event: Event, to: State) {
    match house.operate(id, event).await {
        Answer::Moved(moved) => assert_eq!(moved.run.state, to),
        other => panic!("{other:?}"),
    }
}

/// The events are refused, in these words.
pub(super) async fn refused(house: &House, id: &RunId, events: &[(Event, &'static str)]) {
    for (event, words) in events {
        let answer = house.operate(id, event.clone()).await;
        assert_eq!(answer, Answer::Refused(words), "{event:?}");
    }
}

/// The event changes nothing, for this reason.
pub(super) async fn ignored(house: &House, id: &RunId, event: Event, words: &'static str) {
    assert_eq!(house.operate(id, event).await, Answer::Ignored(words));
}

const NOT_PAUSED: &str = "the run is not paused";
const NOT_ENDED: &str = "only a failed or canceled run can be retried";
const NOT_AT_REST: &str = "pause it first: a run that works is not reset";

#[tokio::test]
async fn pause_stops_an_implementation_at_once_and_resume_enters_it_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_once(&stile);
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    refused(
        &house,
        &id,
        &[
            (RESUME, NOT_PAUSED),
            (RETRY, NOT_ENDED),
            (Event::Reset, NOT_AT_REST),
        ],
    )
    .await;
    assert!(!processes_of(&id).is_empty(), "the agent is at work");
    moved(&house, &id, Event::Pause, State::Paused).await;
    let run = house.settled(&id).await;
    assert_eq!(processes_of(&id), [], "stopped at once");
    assert_eq!(run.facts.hold.expect("a hold").code, "by_person");
    assert_eq!(
        house.steps(&id, "implementation").await[0].state.as_str(),
        "canceled"
    );
    ignored(&house, &id, Event::Pause, "the run is paused already").await;
    refused(&house, &id, &[(RETRY, NOT_ENDED)]).await;
    moved(&house, &id, RESUME, State::Queued).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 1, "the same iteration");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(
        repo.at(&branch, "half"),
        "half",
        "what the stopped agent had done is kept"
    );
    house.check().await;
}

#[tokio::test]
async fn work_of_a_stopped_agent_is_reviewed_like_any_other() {
    let repo = Repository::with_plan("# Plan\n\n- [ ] first thing\n- [ ] second thing\n");
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        r#"
        then = "default"
        [[turn]]
        steps = [{{ edit = {{ path = "specs/planning/thing-plan.md", find = "[ ] first", replace = "[R] first" }} }},
                 {{ commit = "One" }}, {{ sh = "{}" }}]
        [[turn]]
        steps = [{{ say = "There is nothing left to do here." }}]
        "#,
        stile.sh()
    );
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    moved(&house, &id, RESUME, State::Queued).await;
    house.rests(&id, State::Completed).await;
    let reviews = house.steps(&id, "review").await;
    assert_eq!(
        reviews[0].iteration, 1,
        "the commit of the stopped agent was reviewed"
    );
    let branch = "run/thing";
    let log = repo.git(&[
        "log",
        "--reverse",
        "--format=%s",
        &format!("main..{branch}"),
    ]);
    assert!(
        log.contains("One\nTake back reviewed marks that no reviewer gave\nMark"),
        "{log}"
    );
}

#[tokio::test]
async fn pause_stops_the_checks_and_resume_runs_them_again_without_the_agent() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let settings = json!({ "verify_cmds": [stile.sh()] });
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    refused(
        &house,
        &id,
        &[
            (RESUME, NOT_PAUSED),
            (RETRY, NOT_ENDED),
            (Event::Reset, NOT_AT_REST),
        ],
    )
    .await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
    moved(&house, &id, RESUME, State::Queued).await;
    stile.somebody().await;
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying paused queued verifying watchdog merging completed"
    );
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn pause_stops_a_review_and_resume_enters_it_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "review");
    let script = format!(
        "then = \"default\"\n[[turn]]\nrole = \"review\"\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    moved(&house, &id, RESUME, State::Queued).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    assert_eq!(house.steps(&id, "review").await.len(), 2);
}

#[tokio::test]
async fn a_queued_run_can_be_paused_and_canceled_and_takes_no_slot() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ limit = { resets_in_sec = 86400 } }]\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.wait(&id, |run| run.facts.wait.is_some()).await;
    ignored(&house, &id, RESUME, "the run is queued already").await;
    ignored(&house, &id, RETRY, "the run is queued already").await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    house.settled(&id).await;
    assert!(
        house
            .reader
            .holding_slots()
            .await
            .expect("slots")
            .is_empty()
    );
}

#[tokio::test]
async fn a_reset_in_the_queue_is_made_where_there_is_a_branch_and_needs_nothing_where_there_is_none()
 {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ limit = { resets_in_sec = 86400 } }]\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.wait(&id, |run| run.facts.wait.is_some()).await;
    // Behind the other one's limit: nobody begins it.
    let fresh = house.create(&repo, Some(script), json!({})).await;
    house.gated(&fresh, &["provider_limited"]).await;
    let reset = async |id| match house.operate(id, Event::Reset).await {
        Answer::Moved(moved) => moved.run,
        other => panic!("{other:?}"),
    };
    let same = reset(&fresh).await;
    assert_eq!((same.state, same.facts.ticket), (State::Queued, 0));
    let anew = reset(&id).await;
    assert_eq!((anew.state, anew.facts.ticket), (State::Queued, 1));
    assert_eq!((anew.facts.worktree, anew.facts.abandoned.len()), (None, 1));
    house.check().await;
}

#[tokio::test]
async fn a_merge_is_not_interrupted() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // Somebody holds the target's lock, so that the merge has to wait.
    let lock = repo.root.join(".git/refs/heads/agent/thing.lock");
    std::fs::create_dir_all(lock.parent().expect("a directory")).expect("a directory");
    std::fs::write(&lock, "").expect("a lock");
    let settings = json!({ "agent_retry_backoff_sec": 1, "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    house
        .wait(&id, |run| {
            run.state == State::Merging && run.facts.due.is_some()
        })
        .await;
    let busy = "a merge takes seconds and is not interrupted; ask again";
    refused(
        &house,
        &id,
        &[
            (Event::Pause, busy),
            (Event::Cancel, busy),
            (RESUME, NOT_PAUSED),
            (RETRY, NOT_ENDED),
            (Event::Reset, NOT_AT_REST),
        ],
    )
    .await;
    std::fs::remove_file(&lock).expect("no lock");
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn a_run_that_waits_for_its_next_try_can_be_paused_and_goes_on_at_once() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [{ exit = 1 }]\n";
    let settings = json!({ "agent_retry_backoff_sec": 100 });
    let id = house.create(&repo, Some(script), settings).await;
    house
        .wait(&id, |run| {
            run.state == State::Running && run.facts.due.is_some()
        })
        .await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    let run = house.settled(&id).await;
    assert_eq!(run.facts.due, None);
    moved(&house, &id, RESUME, State::Queued).await;
    house.rests(&id, State::Completed).await;
}
