//! What a person can do, and in which state; everything else is refused in the words of the table.

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::store::Answer;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, Turnstile, processes_of};

const RETRY: Event = Event::Retry {
    merge_strategy: None,
};
const RESUME: Event = Event::Resume {
    accept: false,
    note: None,
};

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

async fn moved(house: &House, id: &RunId, event: Event, to: State) {
    match house.operate(id, event).await {
        Answer::Moved(moved) => assert_eq!(moved.run.state, to),
        other => panic!("{other:?}"),
    }
}

async fn refused(house: &House, id: &RunId, events: &[(Event, &'static str)]) {
    for (event, words) in events {
        let answer = house.operate(id, event.clone()).await;
        assert_eq!(answer, Answer::Refused(words), "{event:?}");
    }
}

async fn ignored(house: &House, id: &RunId, event: Event, words: &'static str) {
    assert_eq!(house.operate(id, event).await, Answer::Ignored(words));
}

const NOT_PAUSED: &str = "the run is not paused";
const NOT_ENDED: &str = "only a failed or canceled run can be retried";
const NOT_AT_REST: &str = "only a paused, failed or canceled run can be reset";

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
async fn cancel_leaves_no_process_and_retry_goes_on_with_the_same_branch() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        r#"
        then = "default"
        [[turn]]
        steps = ["ignore_term", {{ orphan = {{ sec = 1000 }} }}, {{ write = {{ path = "half", text = "half\n" }} }}, {{ sh = "{}" }}]
        "#,
        stile.sh()
    );
    let id = house
        .create(&repo, Some(&script), json!({ "stop_grace_sec": 1 }))
        .await;
    stile.somebody().await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    let run = house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
    let before = run.facts.worktree.clone().expect("a worktree");
    assert!(
        std::fs::exists(&before.path).unwrap_or_default(),
        "its worktree stays"
    );
    let ended = "the run has ended";
    refused(&house, &id, &[(Event::Pause, ended), (RESUME, ended)]).await;
    ignored(&house, &id, Event::Cancel, "the run is canceled already").await;
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Canceled).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        run.facts.worktree.expect("a worktree").run_branch,
        before.run_branch
    );
    assert_eq!(repo.at("agent/thing", "half"), "half");
    let completed = "the run is completed";
    refused(
        &house,
        &id,
        &[
            (Event::Pause, ended),
            (RESUME, ended),
            (Event::Cancel, ended),
            (RETRY, completed),
            (Event::Reset, completed),
        ],
    )
    .await;
    house.check().await;
}

#[tokio::test]
async fn a_failed_run_is_retried_with_fresh_budgets() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [\"auth\"]\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.failed(&id, "agent_auth").await;
    refused(
        &house,
        &id,
        &[
            (Event::Cancel, "the run has ended"),
            (Event::Pause, "the run has ended"),
        ],
    )
    .await;
    let retry = Event::Retry {
        merge_strategy: Some(agent_loop::core::run::MergeStrategy::None),
    };
    moved(&house, &id, retry, State::Queued).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.failure, None);
    assert!(
        repo.try_git(&["rev-parse", "--verify", "agent/thing"])
            .is_err(),
        "no merge, as asked"
    );
}

#[tokio::test]
async fn reset_starts_on_a_new_branch_from_todays_base_and_keeps_the_old_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"First try\" }, \"auth\"]\n";
    let id = house
        .create(&repo, Some(script), json!({ "verify_cmds": ["true"] }))
        .await;
    house.failed(&id, "agent_auth").await;
    let old = house.run(&id).await.facts.worktree.expect("a worktree");
    repo.write("base", "today\n");
    repo.commit_all("Today's base");
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    let run = house.rests(&id, State::Completed).await;
    let new = run.facts.worktree.expect("a worktree");
    assert_ne!(new.run_branch, old.run_branch);
    assert_eq!(new.base_commit, repo.git(&["rev-parse", "main"]));
    repo.git(&["rev-parse", "--verify", &old.run_branch]);
    assert_eq!(repo.at("agent/thing", "base"), "today");
    let log = repo.git(&["log", "--format=%s", &format!("main..{}", new.run_branch)]);
    assert!(!log.contains("First try"), "{log}");
    house.check().await;
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
    refused(&house, &id, &[(Event::Reset, NOT_AT_REST)]).await;
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
