//! Worktrees that a person wants gone: only what loopd made, only of runs that have ended, only when nothing is lost.

use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::daemon::CleanError;
use serde_json::json;

use super::ONE_TASK;
use super::operator::moved;
use crate::support::{House, RETRY, Repository, Turnstile};

/// A run that commits something, and fails.
pub const COMMITS_AND_FAILS: &str = "then = \"default\"\n[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Half of it\" }, \"auth\"]\n";

/// A failed run, with nothing left to do for it.
pub async fn failed(house: &House, repo: &Repository, script: &str) -> RunId {
    let id = house.create(repo, Some(script), json!({})).await;
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    id
}

/// Why the worktree stays.
pub(super) async fn kept(house: &House, path: &str) -> String {
    match house.cleaner.remove(path).await {
        Ok(removed) => panic!("{removed:?}"),
        Err(error) => {
            let hint = match &error {
                CleanError::NotOurs { hint, .. } | CleanError::Refused { hint, .. } => hint.clone(),
                CleanError::BadPath { .. }
                | CleanError::Kept { .. }
                | CleanError::Ask(_)
                | CleanError::Look(_)
                | CleanError::Bug(_)
                | CleanError::Git(_) => String::new(),
            };
            format!("{error} | {hint}")
        }
    }
}

/// Why each listed worktree stays; `None` for one that may go.
pub(super) async fn listed(house: &House) -> Vec<(String, Option<String>)> {
    let listing = house.cleaner.list().await.expect("a list");
    assert_eq!(listing.problems, [""; 0]);
    let all = listing.worktrees.into_iter();
    all.map(|it| (it.worktree.path, it.why_kept)).collect()
}

#[tokio::test]
async fn a_worktree_in_which_nothing_is_lost_goes_its_branch_stays_and_a_retry_makes_it_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.worktree(&id).await.path;
    assert_eq!(listed(&house).await, [(path.clone(), None)]);
    let tip = repo.git(&["rev-parse", "run/thing"]);
    for _ in 0..2 {
        let removed = house.cleaner.remove(&path).await.expect("it goes");
        assert_eq!((&removed.run.id, removed.removal.removed), (&id, true));
        assert!(!Path::new(&path).exists());
    }
    assert_eq!(listed(&house).await, []);
    assert_eq!(repo.git(&["rev-parse", "run/thing"]), tip);
    assert_eq!(
        house.told(&id, "WORKTREE_REMOVED").await,
        [json!({ "path": path })]
    );
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.rests(&id, State::Completed).await;
    let log = repo.git(&["log", "--format=%s", "run/thing"]);
    assert!(log.contains("Half of it"), "{log}");
    house.check().await;
}

#[tokio::test]
async fn work_that_no_commit_has_keeps_its_worktree_and_is_named() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.worktree(&id).await.path;
    std::fs::write(Path::new(&path).join("notes"), "mine\n").expect("a file");
    let why = kept(&house, &path).await;
    assert!(why.contains("files that no commit has: notes"), "{why}");
    let listed = listed(&house).await;
    let told = listed[0].1.as_deref().unwrap_or_default();
    assert!(
        why.contains(told) && !told.is_empty(),
        "{told} is not {why}"
    );
    assert_eq!(
        std::fs::read_to_string(Path::new(&path).join("notes")).expect("a file"),
        "mine\n"
    );
    let run = house.run(&id).await;
    assert!(!run.facts.worktree_removed && run.facts.unwanted.is_empty());
    std::fs::remove_file(Path::new(&path).join("notes")).expect("removed");
    house.cleaner.remove(&path).await.expect("it goes");
    house.check().await;
}

#[tokio::test]
async fn a_run_that_has_not_ended_keeps_its_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let path = house.worktree(&id).await.path;
    let words = "a run that has not ended keeps its worktrees";
    let why = kept(&house, &path).await;
    assert!(
        why.contains(words) && why.contains("the run is running"),
        "{why}"
    );
    assert_eq!(
        listed(&house).await,
        [(path.clone(), Some(words.to_owned()))]
    );
    moved(&house, &id, Event::Pause, State::Paused).await;
    house.settled(&id).await;
    assert!(kept(&house, &path).await.contains(words));
    assert!(Path::new(&path).is_dir());
    house.check().await;
}

#[tokio::test]
async fn a_step_that_is_not_known_to_be_gone_keeps_its_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [\"ignore_term\", {{ sh = \"trap '' TERM; {}\" }}]\n",
        stile.sh()
    );
    let settings = json!({ "stop_grace_sec": 60 });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let path = house.worktree(&id).await.path;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    let words = "a step of the run is not known to be gone";
    assert!(kept(&house, &path).await.contains(words));
    assert_eq!(
        listed(&house).await,
        [(path.clone(), Some(words.to_owned()))]
    );
    stile.open();
    house.settled(&id).await;
    house.cleaner.remove(&path).await.expect("it goes");
    house.check().await;
}

#[tokio::test]
async fn only_what_loopd_made_is_removed_by_whatever_path_it_is_named() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.worktree(&id).await.path;
    let mine = repo.root.with_file_name("mine");
    let mine = mine.to_str().expect("UTF-8");
    repo.git(&["worktree", "add", "--quiet", mine]);
    let link = repo.root.with_file_name("link");
    std::os::unix::fs::symlink(repo.root.parent().expect("a parent"), &link).expect("a link");
    let top = repo.root.parent().expect("a parent").display().to_string();
    for (given, words) in [
        ("thing", "is not absolute"),
        ("", "is not absolute"),
        (mine, "yours to remove"),
        (&*format!("{}/link/mine", top), "yours to remove"),
        (
            &*format!("{path}/specs"),
            &*format!("it lies in the worktree {path}"),
        ),
        (&*format!("{path}/../mine"), "yours to remove"),
        (
            &*repo.root.display().to_string(),
            "is no worktree that loopd made",
        ),
        ("/", "is no worktree that loopd made"),
        (&*format!("{top}/gone/../mine"), "does not exist"),
    ] {
        let why = kept(&house, given).await;
        assert!(why.contains(words), "{given}: {why}");
    }
    assert!(Path::new(mine).join("specs").is_dir() && Path::new(&path).is_dir());
    let name = Path::new(&path)
        .file_name()
        .expect("a name")
        .to_string_lossy();
    let roundabout = format!("{top}/link/repo/../{name}");
    let removed = house.cleaner.remove(&roundabout).await.expect("it goes");
    assert_eq!(removed.removal.path, path);
    assert!(!Path::new(&path).exists());
    // Named by where it was, through the link, although nothing is there any more.
    let again = house.cleaner.remove(&format!("{top}/link/{name}")).await;
    assert_eq!(again.expect("it is gone").removal.path, path);
    house.check().await;
}
