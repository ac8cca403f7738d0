//! What the clean-up may not take: it stays with what explains it, is told, and goes when nothing is lost by that.

use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use serde_json::json;

use super::ONE_TASK;
use super::cleaning::{COMMITS_AND_FAILS, failed};
use super::collecting::{collect, completed, later};
use super::operator::moved;
use crate::support::{House, Repository, Turnstile, request};

#[tokio::test]
async fn what_would_be_lost_stays_with_the_files_that_explain_it_and_is_told_each_time() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    let path = house.worktree(&id).await.path;
    let notes = Path::new(&path).join("notes");
    std::fs::write(&notes, "mine\n").expect("a file");
    let rev = house.run(&id).await.rev;
    for dry_run in [true, false, false] {
        let it = collect(&house, dry_run).await;
        assert!(it.worktrees.is_empty() && it.branches.is_empty() && !it.files);
        let kept = it.kept.join("\n");
        for words in [
            "no commit has: notes",
            "run/thing: it is checked out in",
            "needs the files of its run",
        ] {
            assert!(kept.contains(words), "{words}: {kept}");
        }
    }
    assert!(notes.is_file() && repo.has("run/thing") && house.dir(&id).is_dir());
    assert_eq!(house.run(&id).await.rev, rev, "nothing was to be written");
    std::fs::remove_file(&notes).expect("removed");
    let it = collect(&house, false).await;
    assert_eq!(
        (it.worktrees, it.files, it.kept.len()),
        (vec![path], true, 0)
    );
    house.check().await;
}

#[tokio::test]
async fn a_branch_that_somebody_has_checked_out_stays_and_goes_later() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    completed(&house, &repo, "squash").await;
    repo.git(&["switch", "--quiet", "run/thing"]);
    let it = collect(&house, false).await;
    assert!(it.files && it.branches.is_empty());
    assert!(
        it.kept
            .join("\n")
            .contains("run/thing: it is checked out in"),
        "{:?}",
        it.kept
    );
    assert!(repo.has("run/thing"));
    repo.git(&["switch", "--quiet", "main"]);
    // Of what went before nothing is told again.
    let it = collect(&house, false).await;
    assert_eq!((it.branches.len(), it.kept.len()), (1, 0));
    assert!(!it.files && it.worktrees.is_empty(), "{it:?}");
    house.check().await;
}

#[tokio::test]
async fn every_branch_and_worktree_that_a_reset_left_goes_too() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    repo.write("specs/thing.md", "# Thing\n\nAs it is now.\n");
    let mut ask = request(&repo, Some(COMMITS_AND_FAILS), json!({}));
    ask.snapshot = true;
    let id = house.try_create(ask).await.expect("a run");
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let mine = repo.outside().join("mine").display().to_string();
    repo.git(&["worktree", "add", "--quiet", &mine, "run/thing-2"]);
    let it = collect(&house, false).await;
    assert_eq!(
        (it.worktrees.len(), it.branches.len(), it.files),
        (1, 1, true),
        "{it:?}"
    );
    assert_eq!(it.kept.len(), 1, "{it:?}");
    repo.git(&["worktree", "remove", &mine]);
    let it = collect(&house, false).await;
    assert_eq!((it.worktrees.len(), it.files), (0, false), "{it:?}");
    let gone: Vec<&str> = it.branches.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(gone, ["run/thing-2"]);
    assert!(it.kept.is_empty(), "{it:?}");
    house.check().await;
}

#[tokio::test]
async fn a_reset_after_the_clean_up_takes_the_snapshot_out_of_the_branch_that_was() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    repo.write("specs/thing.md", "# Thing\n\nAs it was then.\n");
    let mut ask = request(&repo, Some(COMMITS_AND_FAILS), json!({}));
    ask.snapshot = true;
    let id = house.try_create(ask).await.expect("a run");
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    repo.write("specs/thing.md", "# Thing\n\nAs it is now.\n");
    assert!(collect(&house, false).await.files);
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    let run = house.rest(&id).await;
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(
        repo.at(&branch, "specs/thing.md"),
        "# Thing\n\nAs it was then."
    );
    house.check().await;
}

#[tokio::test]
async fn a_run_that_never_began_leaves_only_its_files_and_a_lost_repository_keeps_what_cannot_be_looked_at()
 {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let first = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    let second = house.create(&repo, None, json!({})).await;
    for id in [&second, &first] {
        moved(&house, id, Event::Cancel, State::Canceled).await;
        house.settled(id).await;
    }
    std::fs::rename(&repo.root, repo.root.with_file_name("elsewhere")).expect("moved");
    let would = later(&house, 30).collect(true).await.expect("a look");
    let told = would.runs.iter().find(|it| it.run.id == first);
    let told = told.expect("the run");
    let kept = told.kept.join("\n");
    assert!(
        kept.contains("nothing can be proved") && kept.contains("failed to open"),
        "{kept}"
    );
    assert!(!told.files && told.worktrees.is_empty(), "{told:?}");
    let all = later(&house, 30).collect(false).await.expect("a clean-up");
    let of = |id: &RunId| {
        all.runs
            .iter()
            .find(|it| it.run.id == *id)
            .expect("the run")
    };
    let kept = of(&first).kept.join("\n");
    assert!(
        kept.contains("nothing can be proved") && kept.contains("failed to open"),
        "{kept}"
    );
    assert!(!of(&first).files && house.dir(&first).is_dir());
    assert!(of(&second).files && !house.dir(&second).exists());
    let path = house.worktree(&first).await.path;
    assert!(Path::new(&path).is_dir());
    std::fs::rename(repo.root.with_file_name("elsewhere"), &repo.root).expect("back");
    let all = later(&house, 30).collect(false).await.expect("a clean-up");
    assert!(
        all.runs.iter().any(|it| it.run.id == first && it.files),
        "{all:?}"
    );
    assert!(!Path::new(&path).exists());
    house.check().await;
}

#[tokio::test]
async fn a_worktree_of_a_lost_repository_stays_with_its_files_although_another_one_is_gone() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let twice = format!("{COMMITS_AND_FAILS}[[turn]]\nsteps = [\"auth\"]\n");
    let id = failed(&house, &repo, &twice).await;
    moved(&house, &id, Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.failed(&id, "agent_auth").await;
    let facts = house.settled(&id).await.facts;
    let path = facts.worktree.as_ref().expect("a worktree").path.clone();
    let old = facts.worktrees().find(|it| it.path != path);
    let old = old.expect("the one before the reset").path.clone();
    std::fs::remove_dir_all(&path).expect("removed");
    std::fs::rename(&repo.root, repo.root.with_file_name("elsewhere")).expect("moved");
    let it = collect(&house, false).await;
    let kept = it.kept.join("\n");
    assert!(
        kept.contains(&format!("{old}: its repository cannot be opened")),
        "{kept}"
    );
    assert!(!it.files && house.dir(&id).is_dir(), "{it:?}");
    assert!(Path::new(&old).is_dir());
    let told = house.told(&id, "WORKTREE_REMOVED").await;
    assert_eq!(told, [json!({ "path": path })]);
}
