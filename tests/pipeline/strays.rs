//! Worktrees that are no run's present one: left by a reset, by a preparation that was canceled, by another daemon, or by a
//! repository that is gone. They are listed, and go when a person asks and nothing is lost. Those that runs have are in
//! `cleaning`.

use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use serde_json::json;

use super::ONE_TASK;
use super::cleaning::{COMMITS_AND_FAILS, failed, kept};
use super::collecting::collect;
use super::operator::moved;
use crate::support::{House, RETRY, Repository, Turnstile};

#[tokio::test]
async fn a_worktree_that_a_reset_has_left_is_listed_and_goes_when_a_person_asks() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let old = house.worktree(&id).await.path;
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let elsewhere = repo.outside().join("elsewhere");
    let shown = async || {
        let listing = house.cleaner.list().await.expect("a list");
        let all = listing.worktrees.into_iter();
        all.map(|it| (it.worktree.path, it.present, it.on_disk))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown().await, [(old.clone(), false, true)]);
    std::fs::rename(&old, &elsewhere).expect("moved");
    assert_eq!(shown().await, [(old.clone(), false, false)]);
    std::fs::rename(&elsewhere, &old).expect("back");
    // Asked again, it is gone already, and whose it was is still known.
    for _ in 0..2 {
        let removed = house.cleaner.remove(&old).await.expect("it goes");
        assert_eq!(
            (removed.run.id, removed.removal.removed),
            (id.clone(), true)
        );
        assert!(!Path::new(&old).exists());
    }
    assert_eq!(shown().await, []);
    house.check().await;
}

#[tokio::test]
async fn a_path_that_has_served_two_runs_is_the_worktree_of_the_one_that_has_it_now() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "worktree_cleanup": false });
    let first = house.create(&repo, Some(COMMITS_AND_FAILS), settings).await;
    house.failed(&first, "agent_auth").await;
    house.settled(&first).await;
    let path = house.worktree(&first).await.path;
    assert!(collect(&house, false).await.files);
    let second = failed(&house, &repo, COMMITS_AND_FAILS).await;
    assert_eq!(house.worktree(&second).await.path, path);
    assert!(collect(&house, false).await.files);
    // The older one comes back to where it was.
    moved(&house, &first, RETRY, State::Queued).await;
    house.wait(&first, |run| run.state != State::Failed).await;
    house.rests(&first, State::Completed).await;
    house.settled(&first).await;
    assert_eq!(house.worktree(&first).await.path, path);
    assert!(Path::new(&path).is_dir());
    let removed = house.cleaner.remove(&path).await.expect("it goes");
    assert_eq!(removed.run.id, first);
    assert!(!Path::new(&path).exists());
    house.check().await;
}

/// A run that is canceled while its worktree is being made: git waits in a filter of the user's.
async fn canceled_while_preparing(repo: &Repository, house: &House) -> RunId {
    let mut stile = Turnstile::new(repo.outside(), "smudge");
    repo.git(&[
        "config",
        "filter.wait.smudge",
        &format!("{}; cat", stile.sh()),
    ]);
    repo.write(".gitattributes", "waits filter=wait\n");
    repo.write("waits", "content\n");
    repo.commit_all("A file with a filter");
    let id = house.create(repo, None, json!({})).await;
    stile.somebody().await;
    moved(house, &id, Event::Cancel, State::Canceled).await;
    repo.git(&["config", "filter.wait.smudge", "cat"]);
    stile.open();
    house.settled(&id).await;
    assert_eq!(
        house.run(&id).await.facts.worktree,
        None,
        "it came too late"
    );
    id
}

#[tokio::test]
async fn a_reset_takes_nothing_of_a_preparation_that_was_canceled_and_the_stray_can_be_removed() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled_while_preparing(&repo, &house).await;
    let listing = house.cleaner.list().await.expect("a list");
    let [stray] = listing.strays.as_slice() else {
        panic!("{listing:?}");
    };
    assert_eq!(
        (&stray.run_id, stray.run_known, stray.on_disk),
        (&id, true, true)
    );
    assert_eq!(stray.branch.as_deref(), Some("run/thing"));
    let old = stray.path.display().to_string();
    repo.write("base", "today\n");
    repo.commit_all("Today's base");
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Canceled).await;
    let run = house.rests(&id, State::Completed).await;
    let new = run.facts.worktree.expect("a worktree");
    assert_ne!((&*new.run_branch, &new.path), ("run/thing", &old));
    assert_eq!(new.base_commit, repo.git(&["rev-parse", "main"]));
    house.settled(&id).await;
    assert!(Path::new(&old).is_dir());
    let removed = house.cleaner.remove(&old).await.expect("it goes");
    assert_eq!(removed.run.id, id);
    assert!(!Path::new(&old).exists());
    repo.git(&["rev-parse", "--verify", "run/thing"]);
    assert_eq!(house.cleaner.list().await.expect("a list").strays.len(), 0);
    house.check().await;
}

#[tokio::test]
async fn a_retry_takes_up_what_a_canceled_preparation_has_made() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled_while_preparing(&repo, &house).await;
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Canceled).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        run.facts.worktree.expect("a worktree").run_branch,
        "run/thing"
    );
    house.check().await;
}

#[tokio::test]
async fn what_another_daemons_run_has_made_is_listed_and_stays() {
    let repo = Repository::with_plan(ONE_TASK);
    let other = House::open(&repo.outside().join("other"), &Default::default()).await;
    let theirs = failed(&other, &repo, COMMITS_AND_FAILS).await;
    let path = other.worktree(&theirs).await.path;
    let house = House::over(&repo).await;
    failed(&house, &repo, COMMITS_AND_FAILS).await;
    let listing = house.cleaner.list().await.expect("a list");
    let strays: Vec<_> = listing
        .strays
        .iter()
        .map(|it| (&it.run_id, it.run_known))
        .collect();
    assert_eq!(strays, [(&theirs, false)]);
    let why = kept(&house, &path).await;
    assert!(why.contains("which this daemon does not know"), "{why}");
    assert!(Path::new(&path).is_dir());
}

/// Nothing can be proved of it, and the list is given all the same.
#[tokio::test]
async fn a_worktree_whose_repository_is_gone_is_listed_and_stays() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.worktree(&id).await.path;
    std::fs::rename(&repo.root, repo.outside().join("elsewhere")).expect("moved");
    let listing = house.cleaner.list().await.expect("a list");
    assert_eq!(listing.problems.len(), 1, "{:?}", listing.problems);
    let listed: Vec<_> = listing.worktrees.iter().collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].worktree.path, path);
    let why = listed[0].why_kept.as_deref();
    assert_eq!(why, Some("its repository cannot be read"));
    assert!(Path::new(&path).exists());
}
