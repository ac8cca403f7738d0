//! What is left of runs that ended long ago: it goes when its time is over, and never anything that is kept nowhere else.
//! What has to stay: `kept_back`.

use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::core::time::Time;
use agent_loop::daemon::{self, Cleaner, Collected, Collection};
use agent_loop::effect::git::Git;
use serde_json::json;

use super::ONE_TASK;
use super::cleaning::{COMMITS_AND_FAILS, failed};
use super::operator::moved;
use crate::support::{House, Options, PATIENCE, RETRY, Repository, Turnstile};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn in_forty_days() -> Time {
    Time(daemon::now().0 + 40 * DAY_MS)
}

/// The house's cleaner as it would be in forty days, with this `retention_days`.
pub(super) fn later(house: &House, retention_days: u32) -> Cleaner {
    Cleaner::new(
        house.handle.clone(),
        house.reader.clone(),
        house.creator.git.clone(),
        house.data.clone(),
        retention_days,
        in_forty_days,
    )
}

/// What went, or would go, of the one run that there is.
pub async fn collect(house: &House, dry_run: bool) -> Collected {
    let Collection { mut runs, problems } =
        later(house, 30).collect(dry_run).await.expect("a clean-up");
    assert_eq!(problems, [""; 0]);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

async fn nothing_is_due(cleaner: &Cleaner) {
    let collection = cleaner.collect(false).await.expect("a clean-up");
    assert!(
        collection.runs.is_empty() && collection.problems.is_empty(),
        "{collection:?}"
    );
}

/// A completed run, with nothing left to do for it.
pub(super) async fn completed(house: &House, repo: &Repository, strategy: &str) -> RunId {
    let settings = json!({ "merge_strategy": strategy });
    let id = house.create(repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    id
}

#[tokio::test]
async fn nothing_goes_before_its_time_and_with_0_nothing_ever() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = completed(&house, &repo, "squash").await;
    let rev = house.run(&id).await.rev;
    nothing_is_due(&house.cleaner).await;
    nothing_is_due(&later(&house, 41)).await;
    nothing_is_due(&later(&house, 0)).await;
    assert!(repo.has("run/thing") && house.dir(&id).is_dir());
    assert_eq!(house.run(&id).await.rev, rev);
    assert_eq!(
        later(&house, 39)
            .collect(true)
            .await
            .expect("a clean-up")
            .runs
            .len(),
        1
    );
}

#[tokio::test]
async fn a_squashed_run_leaves_its_target_a_rescue_ref_and_the_users_copies() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = completed(&house, &repo, "squash").await;
    let (tip, target) = (
        repo.git(&["rev-parse", "run/thing"]),
        repo.git(&["rev-parse", "agent/thing"]),
    );
    let before = house.run(&id).await;
    let would = collect(&house, true).await;
    let one_branch = [("run/thing".to_owned(), None)];
    assert_eq!(
        (would.worktrees.len(), &*would.branches, would.files),
        (0, &one_branch[..], true)
    );
    assert_eq!(would.kept, [""; 0]);
    assert_eq!(house.run(&id).await, before, "a dry run changes nothing");
    assert!(repo.has("run/thing") && house.dir(&id).is_dir());

    let gone = collect(&house, false).await;
    let rescue = format!("refs/loopd/rescue/{id}");
    assert_eq!(
        gone.branches,
        [("run/thing".to_owned(), Some(rescue.clone()))]
    );
    assert!(gone.files && gone.kept.is_empty() && !house.dir(&id).exists());
    assert!(!repo.has("run/thing"));
    assert_eq!(repo.git(&["rev-parse", &rescue]), tip);
    assert_eq!(repo.git(&["rev-parse", "agent/thing"]), target);
    let copies = repo.root.join(format!("logs/loop/run-{id}"));
    assert!(
        copies.join("summary.json").is_file(),
        "the copies in the workspace are the user's"
    );
    assert_eq!(repo.checkout().2, "");
    let rev = house.run(&id).await.rev;
    nothing_is_due(&later(&house, 30)).await;
    assert_eq!(
        house.run(&id).await.rev,
        rev,
        "it is over, and looked at no more"
    );
    house.check().await;
}

#[tokio::test]
async fn a_merged_run_needs_no_rescue_ref() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    completed(&house, &repo, "merge").await;
    let gone = collect(&house, false).await;
    assert_eq!(gone.branches, [("run/thing".to_owned(), None)]);
    assert_eq!(repo.git(&["for-each-ref", "refs/loopd/"]), "");
    house.check().await;
}

#[tokio::test]
async fn a_run_without_a_commit_of_its_own_leaves_nothing_behind() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    failed(&house, &repo, "[[turn]]\nsteps = [\"auth\"]\n").await;
    let gone = collect(&house, false).await;
    assert_eq!(gone.branches, [("run/thing".to_owned(), None)]);
    assert_eq!(repo.git(&["for-each-ref", "refs/loopd/"]), "");
}

#[tokio::test]
async fn the_runs_of_one_repository_take_nothing_of_each_other() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let first = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let second = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.run(&second).await.facts.worktree.expect("made").path;
    let notes = Path::new(&path).join("notes");
    std::fs::write(&notes, "mine\n").expect("a file");
    let all = later(&house, 30).collect(false).await.expect("a clean-up");
    let of = |id: &RunId| all.runs.iter().find(|it| it.run.id == *id);
    let gone = of(&first).expect("the first run");
    assert_eq!((gone.worktrees.len(), gone.files), (1, true));
    assert_eq!(gone.kept, [""; 0]);
    assert!(notes.is_file() && repo.has("run/thing-2"));
    std::fs::remove_file(&notes).expect("removed");
    assert!(collect(&house, false).await.files);
    house.check().await;
}

#[tokio::test]
async fn a_step_that_is_not_known_to_be_gone_keeps_everything_of_its_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "[[turn]]\nsteps = [\"ignore_term\", {{ sh = \"trap '' TERM; {}\" }}]\n",
        stile.sh()
    );
    let settings = json!({ "stop_grace_sec": 60 });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    for dry_run in [true, false] {
        let it = collect(&house, dry_run).await;
        assert!(it.worktrees.is_empty() && it.branches.is_empty() && !it.files);
        assert_eq!(it.kept, ["a step of the run is not known to be gone"]);
    }
    assert!(repo.has("run/thing") && house.dir(&id).is_dir());
    stile.open();
    house.settled(&id).await;
    assert!(collect(&house, false).await.files);
    house.check().await;
}

#[tokio::test]
async fn a_run_that_cannot_be_looked_at_is_told_and_the_others_are_cleaned_up() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut ids = Vec::new();
    for prefix in ["one/", "two/"] {
        let settings = json!({ "run_branch_prefix": prefix });
        let id = house.create(&repo, Some(COMMITS_AND_FAILS), settings).await;
        house.failed(&id, "agent_auth").await;
        house.settled(&id).await;
        ids.push(id);
    }
    let dir = repo.outside().join("mortal");
    std::fs::create_dir(&dir).expect("a directory");
    let script = crate::git::mortal_git(&dir, "git".as_ref());
    let limit = PATIENCE;
    let mut cleaner = later(&house, 30);
    cleaner.git = Git::with(&script, limit, limit).await.expect("git");
    std::fs::write(dir.join("dies-at"), "one/thing").expect("a file");
    let all = cleaner.collect(true).await.expect("a clean-up");
    let [problem] = all.problems.as_slice() else {
        panic!("{all:?}");
    };
    assert!(
        problem.contains(&ids[0].0) && problem.contains("killed by signal 9"),
        "{problem}"
    );
    assert_eq!(all.runs.len(), 1, "{all:?}");
    assert_eq!(all.runs[0].run.id, ids[1]);
}

#[tokio::test]
async fn what_others_have_taken_is_told_of_by_nobody_and_looked_for_once() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.run(&id).await.facts.worktree.expect("made").path;
    house.cleaner.remove(&path).await.expect("it goes");
    repo.git(&["branch", "--quiet", "-D", "run/thing"]);
    std::fs::remove_dir_all(house.dir(&id)).expect("removed");
    for looked_at in [true, false] {
        let before = house.run(&id).await.rev;
        nothing_is_due(&later(&house, 30)).await;
        let run = house.settled(&id).await;
        assert!(run.facts.nothing_left);
        assert_eq!(run.rev > before, looked_at, "{:?}", run.facts);
    }
    house.check().await;
}

#[tokio::test]
async fn a_run_that_has_left_nothing_at_all_is_over_and_told_of_by_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let id = house.create(&repo, None, json!({})).await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    house.settled(&id).await;
    std::fs::remove_dir_all(house.dir(&id)).expect("removed");
    nothing_is_due(&later(&house, 30)).await;
    assert!(house.settled(&id).await.facts.nothing_left);
    house.check().await;
}

#[tokio::test]
async fn a_failed_run_goes_with_its_worktree_and_a_retry_goes_on_from_where_it_stood() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let tip = repo.git(&["rev-parse", "run/thing"]);
    let path = house.worktree(&id).await.path;
    let gone = collect(&house, false).await;
    assert_eq!((&gone.worktrees, gone.files), (&vec![path.clone()], true));
    assert_eq!(
        house.told(&id, "WORKTREE_REMOVED").await,
        [json!({ "path": path })]
    );
    assert!(!Path::new(&path).exists() && !house.dir(&id).exists());
    assert!(!repo.has("run/thing"));
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    repo.git(&["merge-base", "--is-ancestor", &tip, "run/thing"]);
    assert!(run.facts.retired.is_empty() && !run.facts.files_removed);
    assert!(house.dir(&id).join("summary.json").is_file());
    // Its time begins anew, and is over again.
    assert!(collect(&house, false).await.files);
    house.check().await;
}

#[tokio::test]
async fn a_retry_whose_branch_name_is_taken_meanwhile_is_held_in_words_and_a_reset_goes_on() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let tip = repo.git(&["rev-parse", "run/thing"]);
    collect(&house, false).await;
    repo.git(&["branch", "run/thing", "main"]);
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(
        why.contains("run/thing has taken its place") && why.contains(&tip),
        "{why}"
    );
    assert!(why.contains("`loopctl reset`"), "{why}");
    assert_eq!(
        repo.git(&["rev-parse", "run/thing"]),
        repo.git(&["rev-parse", "main"])
    );
    house.settled(&id).await;
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    // With its files, the agent of the test has forgotten where it was: it fails once more.
    let run = house.rests(&id, State::Failed).await;
    assert_eq!(
        run.facts.worktree.expect("a worktree").run_branch,
        "run/thing-2"
    );
    house.check().await;
}
