//! Ends and clean-ups that are cut short, or not alone: a person's retry overtakes them, another clean-up is under way, nobody
//! waits for them any more, or the daemon dies in them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::core::time::Time;
use agent_loop::crash::Place;
use agent_loop::daemon::{self, Cleaner};
use agent_loop::effect::git::Git;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ONE_TASK;
use super::cleaning::{COMMITS_AND_FAILS, failed};
use super::collecting::{completed, later};
use super::operator::moved;
use crate::support::{House, PATIENCE, RETRY, Repository, Turnstile, stored_by_the_dead};

/// Both are stored by a daemon in its last moment: what was to be taken, and that the run is tried again.
async fn overtaken_by_a_retry(wanted: impl Fn(&str) -> Event) {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(".gitignore", "built\n");
    repo.commit_all("What may go with a worktree");
    let house = House::over(&repo).await;
    let settings = json!({ "worktree_cleanup": false });
    let id = house.create(&repo, Some(COMMITS_AND_FAILS), settings).await;
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    let path = house.worktree(&id).await.path;
    let (built, steps) = (
        Path::new(&path).join("built"),
        house.dir(&id).join("steps/1"),
    );
    std::fs::write(&built, "").expect("a file");
    house.die().await;
    stored_by_the_dead(&repo, &id, [wanted(&path), RETRY]).await;
    let house = House::over(&repo).await;
    house.wait(&id, |run| run.state != State::Queued).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert!(built.is_file() && steps.is_dir(), "nothing was taken");
    assert_eq!(house.told(&id, "WORKTREE_REMOVED").await.len(), 0);
    house.check().await;
}

#[tokio::test]
async fn a_clean_up_that_is_overtaken_by_a_retry_takes_nothing() {
    overtaken_by_a_retry(|_| Event::Collect).await;
}

#[tokio::test]
async fn a_removal_that_is_overtaken_by_a_retry_takes_nothing() {
    overtaken_by_a_retry(|path| Event::RemoveWorktree {
        path: path.to_owned(),
    })
    .await;
}

#[tokio::test]
async fn the_daemon_cleans_up_by_itself_and_a_clean_up_that_was_cut_off_is_finished() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let first = completed(&house, &repo, "squash").await;
    let end = CancellationToken::new();
    let daily = tokio::spawn(later(&house, 30).keep_clean(end.clone()));
    house.wait(&first, |run| run.facts.nothing_left).await;
    assert!(!house.dir(&first).exists());
    end.cancel();
    daily.await.expect("it ends with the daemon");
    later(&house, 0).keep_clean(CancellationToken::new()).await;
    let second = failed(&house, &repo, COMMITS_AND_FAILS).await;
    // Told, and dead before anybody could look.
    let _ = house.handle.collect(second.clone()).await;
    house.die().await;
    let house = House::over(&repo).await;
    house.wait(&second, |run| run.facts.nothing_left).await;
    assert!(!house.dir(&second).exists());
    house.check().await;
}

/// The cleaner of forty days later, whose git waits at the turnstile when it first looks at a branch, once the file `held`
/// is there.
async fn held_up(house: &House, repo: &Repository, stile: &Turnstile) -> (Cleaner, PathBuf) {
    let held = repo.outside().join("held");
    let script = repo.program(
        "held-git",
        &format!(
            "#!/bin/sh\nif rm '{}' 2>/dev/null; then {}; fi\nexec git \"$@\"\n",
            held.display(),
            stile.sh()
        ),
    );
    let mut cleaner = later(house, 30);
    let git = Git::with(&script, PATIENCE, PATIENCE).await;
    cleaner.git = git.expect("git");
    (cleaner, held)
}

#[tokio::test]
async fn a_clean_up_waits_for_the_one_that_is_under_way_and_takes_nothing_twice() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    failed(&house, &repo, COMMITS_AND_FAILS).await;
    let mut stile = Turnstile::new(repo.outside(), "git");
    let (cleaner, held) = held_up(&house, &repo, &stile).await;
    let collect = |cleaner: &Cleaner, dry_run| {
        let cleaner = cleaner.clone();
        tokio::spawn(async move { cleaner.collect(dry_run).await.expect("a clean-up") })
    };
    std::fs::write(&held, "").expect("a file");
    let first = collect(&cleaner, false);
    stile.somebody().await;
    let second = collect(&cleaner, false);
    // Whoever has not to wait is at its end by now.
    let other = collect(&later(&house, 30), true).await.expect("no panic");
    assert_eq!(other.runs.len(), 1, "{other:?}");
    assert!(!second.is_finished());
    stile.open();
    let (first, second) = (first.await.expect("no panic"), second.await);
    assert_eq!(first.runs.len(), 1, "{first:?}");
    assert!(first.runs[0].files, "{first:?}");
    assert!(second.expect("no panic").runs.is_empty());
    house.check().await;
}

#[tokio::test]
async fn a_clean_up_that_nobody_waits_for_any_more_comes_to_its_end() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let mut stile = Turnstile::new(repo.outside(), "git");
    let (cleaner, held) = held_up(&house, &repo, &stile).await;
    std::fs::write(&held, "").expect("a file");
    tokio::select! {
        it = cleaner.collect(false) => panic!("it was not held up: {it:?}"),
        () = stile.somebody() => {}
    }
    stile.open();
    house.wait(&id, |run| run.facts.nothing_left).await;
    assert!(!house.dir(&id).exists());
}

/// How often a clean-up has asked for the time.
static LOOKS: AtomicU32 = AtomicU32::new(0);

fn counted() -> Time {
    LOOKS.fetch_add(1, Ordering::SeqCst);
    daemon::now()
}

#[tokio::test]
async fn the_daemon_cleans_up_each_day() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut cleaner = later(&house, 30);
    cleaner.now = counted;
    let end = CancellationToken::new();
    let daily = tokio::spawn(cleaner.keep_clean(end.clone()));
    let begun = Instant::now();
    while LOOKS.load(Ordering::SeqCst) < 3 {
        assert!(begun.elapsed() < PATIENCE, "it is not cleaned up again");
        // A day goes by; what is under way goes on meanwhile.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.cancel();
    daily.await.expect("it ends with the daemon");
}

/// A daemon that dies in the clean-up of its one run, which has failed; where the run's branch stood.
async fn dies_cleaning_up(repo: &Repository, place: Place, name: &str) -> (RunId, String) {
    let house = House::over(repo).await;
    let id = failed(&house, repo, COMMITS_AND_FAILS).await;
    let tip = repo.git(&["rev-parse", "run/thing"]);
    house.die().await;
    let (house, crash) = House::dying(repo, place, name).await;
    let cleaner = later(&house, 30);
    tokio::select! {
        it = cleaner.collect(false) => panic!("it did not die: {it:?}"),
        () = crash.died() => {}
    }
    house.die().await;
    assert!(!repo.has("run/thing"), "{place:?} {name}");
    (id, tip)
}

const DEATHS: [(Place, &str); 3] = [
    (Place::Calling, "files"),
    (Place::Called, "files"),
    (Place::Acted, "collect_run"),
];

#[tokio::test]
async fn what_a_dying_daemon_has_taken_is_told_by_the_next_one_and_a_retry_goes_on_from_there() {
    for (place, name) in DEATHS {
        let repo = Repository::with_plan(ONE_TASK);
        let (id, tip) = dies_cleaning_up(&repo, place, name).await;
        let house = House::over(&repo).await;
        let facts = house.settled(&id).await.facts;
        let retired = facts.retired.iter();
        let retired = retired.map(|it| (it.branch.as_str(), it.tip.as_str(), it.rescue.clone()));
        let rescue = format!("refs/loopd/rescue/{id}");
        assert_eq!(
            retired.collect::<Vec<_>>(),
            [("run/thing", tip.as_str(), Some(rescue))],
            "{place:?} {name}"
        );
        assert!(
            facts.files_removed && facts.nothing_left && facts.worktree_removed,
            "{place:?} {name}: {facts:?}"
        );
        assert!(!house.dir(&id).exists());
        moved(&house, &id, RETRY, State::Queued).await;
        house.wait(&id, |run| run.state != State::Failed).await;
        house.rests(&id, State::Completed).await;
        repo.git(&["merge-base", "--is-ancestor", &tip, "run/thing"]);
        house.check().await;
    }
}

#[tokio::test]
async fn a_run_that_is_tried_again_before_its_clean_up_was_told_of_goes_on_from_there_too() {
    let repo = Repository::with_plan(ONE_TASK);
    let (id, tip) = dies_cleaning_up(&repo, Place::Acted, "collect_run").await;
    // Stored by the daemon in its last moment, while the clean-up was under way.
    stored_by_the_dead(&repo, &id, [RETRY]).await;
    let house = House::over(&repo).await;
    house.wait(&id, |run| run.state != State::Queued).await;
    house.rests(&id, State::Completed).await;
    repo.git(&["merge-base", "--is-ancestor", &tip, "run/thing"]);
    house.check().await;
}

#[tokio::test]
async fn a_run_that_was_tried_again_before_its_end_was_written_down_has_one_end() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Pause).await;
    house.settled(&id).await;
    house.die().await;
    stored_by_the_dead(&repo, &id, [Event::Cancel, RETRY]).await;
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let report = house.file(&id, "report.tsv");
    let ends = report.lines().filter(|row| row.contains("RUN_END"));
    let ends: Vec<&str> = ends.collect();
    let [end] = ends[..] else {
        panic!("one end: {report}");
    };
    assert!(end.contains("\tcompleted\t"), "{report}");
    house.check().await;
}
