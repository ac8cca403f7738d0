//! The target moves to the verified tree and to nothing else; the user's checkouts are as they were.

use agent_loop::core::run::{RunId, State};
use agent_loop::crash::Place;
use agent_loop::store;
use serde_json::{Value, json};

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{Disk, House, Options, PATIENCE, Repository};

#[tokio::test]
async fn a_dirty_checkout_on_another_branch_is_as_it_was_to_the_byte() {
    let repo = Repository::with_plan(TWO_TASKS);
    repo.git(&["switch", "--quiet", "--create", "mine"]);
    repo.write("specs/thing.md", "# Thing\n\nMy own words.\n");
    repo.write("staged", "staged\n");
    repo.git(&["add", "staged"]);
    repo.write("staged", "and changed again\n");
    repo.write("untracked", "untracked\n");
    let before = repo.checkout();
    let house = House::over(&repo).await;
    let settings = json!({ "base_branch": "main", "verify_cmds": ["test ! -e untracked"] });
    let mut wanted = crate::support::request(&repo, None, settings);
    let refused = house
        .try_create(wanted.clone())
        .await
        .expect_err("the spec differs");
    assert!(refused.contains("specs/thing.md differs"), "{refused}");
    repo.git(&["checkout", "--quiet", "main", "--", "specs/thing.md"]);
    repo.git(&["reset", "--quiet", "specs/thing.md"]);
    let before_run = repo.checkout();
    wanted.name = Some("mine".to_owned());
    let id = house.try_create(wanted).await.expect("a run");
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(repo.checkout(), before_run);
    assert_eq!(before.0, before_run.0);
    for (path, text) in [
        ("staged", "and changed again\n"),
        ("untracked", "untracked\n"),
    ] {
        let found = std::fs::read_to_string(repo.root.join(path)).expect("a file");
        assert_eq!(found, text);
    }
    assert_eq!(repo.git(&["diff", "--cached", "--name-only"]), "staged");
}

#[tokio::test]
async fn a_target_that_is_checked_out_is_fast_forwarded_there() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write("mine", "mine\n");
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "made\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
    "#;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        Some(repo.git(&["rev-parse", "main"])),
        run.facts.merge_commit
    );
    assert_eq!(repo.checkout().2, "?? mine", "and nothing else has changed");
    assert!(repo.root.join("made").exists());
}

#[tokio::test]
async fn a_checkout_in_the_way_holds_the_run_and_a_resume_merges() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "by the agent\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
    "#;
    repo.write("made", "by the user\n");
    let before = repo.checkout();
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.held(&id, "target_held").await;
    assert!(why.contains("made"), "{why}");
    assert_eq!(repo.checkout(), before);
    let found = std::fs::read_to_string(repo.root.join("made")).expect("a file");
    assert_eq!(found, "by the user\n");
    std::fs::remove_file(repo.root.join("made")).expect("removed");
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(
        house.steps(&id, "implementation").await.len(),
        1,
        "the work was done"
    );
    assert_eq!(
        house.steps(&id, "verification").await.len(),
        2,
        "but proved again"
    );
    assert_eq!(repo.at("main", "made"), "by the agent");
}

#[tokio::test]
async fn a_completed_run_leaves_its_branch_and_no_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, None, json!({ "verify_cmds": ["true"] }))
        .await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let worktree = run.facts.worktree.expect("a worktree");
    assert!(run.facts.worktree_removed);
    assert!(!std::fs::exists(&worktree.path).unwrap_or(true));
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
    repo.git(&["rev-parse", "--verify", &worktree.run_branch]);
    assert_eq!(house.told(&id, "WORKTREE_REMOVED").await.len(), 1);
}

#[tokio::test]
async fn a_git_that_is_killed_in_the_users_checkout_leaves_neither_lock_nor_files_in_the_way() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(".gitattributes", "made filter=once\n");
    repo.git(&["add", ".gitattributes"]);
    repo.git(&["commit", "--quiet", "--message=filter"]);
    // The first git that writes the file into the user's checkout is killed while it holds the index.
    let killed = repo.outside().join("killed");
    let smudge = format!(
        "case $PWD in {}) mkdir '{}' 2>/dev/null && kill -9 $PPID;; esac; cat",
        repo.root.display(),
        killed.display()
    );
    repo.git(&["config", "filter.once.smudge", &smudge]);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [
            { write = { path = "before", text = "before\n" } },
            { write = { path = "made", text = "made\n" } },
            { tick = "next" },
            { commit = "Make" },
            "complete",
        ]
    "#;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert!(killed.exists(), "it was killed");
    let merged = repo.git(&["rev-parse", "main"]);
    assert_eq!(Some(merged), run.facts.merge_commit);
    assert_eq!(repo.checkout().2, "", "and the checkout is whole");
    assert!(!repo.root.join(".git/index.lock").exists());
    house.check().await;
}

#[tokio::test]
async fn a_full_disk_in_the_midst_of_a_merge_is_waited_for_and_the_checkout_comes_along() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::at(&elsewhere.path().join("disk"), 32) else {
        return;
    };
    let repo = Repository::in_dir(&disk.0, ONE_TASK);
    repo.write(".gitattributes", "made filter=fills\n");
    repo.write("changed", &"old\n".repeat(50_000));
    repo.commit_all("filter");
    // The first git that writes the file into the user's checkout finds the disk full from then on.
    let (filled, filler) = (repo.outside().join("filled"), disk.0.join("filler"));
    let smudge = format!(
        "case $PWD in {}) mkdir '{}' 2>/dev/null && head -c 64m /dev/zero > '{}' 2>/dev/null;; esac; cat",
        repo.root.display(),
        filled.display(),
        filler.display()
    );
    repo.git(&["config", "filter.fills.smudge", &smudge]);
    let house = House::open(&elsewhere.path().join("data"), &Options::default()).await;
    let script = r#"
        [[turn]]
        steps = [
            { write = { path = "changed", text = "new\n" } },
            { write = { path = "made", text = "made\n" } },
            { write = { path = "next/one", text = "next\n" } },
            { tick = "next" },
            { commit = "Make" },
            "complete",
        ]
    "#;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    house
        .wait(&id, |run| {
            let trouble = run.facts.last_trouble.as_ref();
            trouble.is_some_and(|it| it.code == "disk_full")
        })
        .await;
    assert!(filler.exists(), "it was full");
    std::fs::remove_file(&filler).expect("room");
    // The disk is looked at every half minute.
    let run = house
        .until_within(&id, 3 * PATIENCE, async || {
            let run = house.run(&id).await;
            (run.state == State::Completed).then_some(run)
        })
        .await;
    let merged = repo.git(&["rev-parse", "main"]);
    assert_eq!(Some(merged), run.facts.merge_commit);
    assert_eq!(repo.checkout().2, "", "and the checkout is whole");
    assert_eq!(repo.at("main", "made"), "made");
    house.check().await;
}

/// A run whose daemon dies at this place of its merge; the branch gets a commit of a person's before the next one comes.
async fn moved_at(repo: &Repository, place: Place) -> (House, RunId, String) {
    let (house, crash) = House::dying(repo, place, "start_merge").await;
    let settings = json!({ "reviewer": false, "verify_cmds": ["true"] });
    let id = house.create(repo, None, settings).await;
    let death = tokio::time::timeout(PATIENCE, crash.died()).await;
    death.expect("the daemon dies");
    let made = house.worktree(&id).await;
    house.die().await;
    let proved = repo.git(&["rev-parse", &format!("{}^{{tree}}", made.run_branch)]);
    std::fs::write(std::path::Path::new(&made.path).join("late"), "late\n").expect("a file");
    repo.git(&["-C", &made.path, "add", "late"]);
    repo.git(&["-C", &made.path, "commit", "--quiet", "--message", "Late"]);
    (House::over(repo).await, id, proved)
}

#[tokio::test]
async fn a_branch_that_moves_between_the_proof_and_the_merge_is_proved_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let (house, id, _) = moved_at(&repo, Place::Begun).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog merging verifying watchdog merging completed"
    );
    assert_eq!(repo.at("agent/thing", "late"), "late");
    let verified = house.told(&id, "VERIFICATION_FINISHED").await;
    let tree = repo.git(&["rev-parse", "agent/thing^{tree}"]);
    assert_eq!(verified[1]["tree"], tree);
    assert_eq!(run.facts.verified_tree, Some(tree));
    house.check().await;
}

#[tokio::test]
async fn a_merge_that_was_made_and_not_told_is_the_end_whatever_came_to_the_branch_since() {
    let repo = Repository::with_plan(ONE_TASK);
    let (house, id, proved) = moved_at(&repo, Place::Acted).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog merging completed"
    );
    let merged = repo.git(&["rev-parse", "agent/thing", "agent/thing^{tree}"]);
    let commit = run.facts.merge_commit.expect("a commit");
    assert_eq!(merged, format!("{commit}\n{proved}"));
    house.check().await;
}

#[tokio::test]
async fn what_an_earlier_try_made_is_not_taken_for_the_merge_of_later_work() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "by the agent\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "more", text = "more\n" } }, { commit = "Make more" }, "complete"]
    "#;
    repo.write("made", "by the user\n");
    let wanted = repo.outside().join("wanted");
    let check = format!("test ! -e '{}' || test -e more", wanted.display());
    let settings = json!({
        "merge_target_branch": "main", "verify_cmds": [check], "reviewer": false,
    });
    let id = house.create(&repo, Some(script), settings).await;
    house.held(&id, "target_held").await;
    // A person merges by hand what loopd could not, and then wants more of the run.
    let stored = house.reader.load_intent(&id).await.expect("readable");
    let intent: Value = serde_json::from_str(&stored.expect("an intent").intent).expect("JSON");
    let first = intent["new"].as_str().expect("a commit");
    std::fs::remove_file(repo.root.join("made")).expect("removed");
    repo.git(&["merge", "--quiet", "--ff-only", first]);
    std::fs::write(&wanted, "").expect("a file");
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    let run = house.rests(&id, State::Completed).await;
    assert_ne!(run.facts.merge_commit.as_deref(), Some(first));
    assert_eq!(repo.at("main", "more"), "more");
    assert_eq!(repo.at("main", "made"), "by the agent");
    house.check().await;
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_asks_a_person_and_is_nothing_to_a_later_try() {
    let repo = Repository::with_plan(ONE_TASK);
    let data = repo.outside().join("data");
    let (house, crash) = House::dying(&repo, Place::Acted, "start_merge").await;
    let settings = json!({ "reviewer": false, "merge_target_branch": "main" });
    let id = house.create(&repo, None, settings).await;
    house.dies_of(crash).await;
    let merged = repo.git(&["rev-parse", "main"]);
    let raw = rusqlite::Connection::open(store::file(&data)).expect("opens");
    let sql = "UPDATE merge_intents SET intent = '{}' WHERE run_id = ?1";
    assert_eq!(raw.execute(sql, [&id.0]).expect("it is stored"), 1);

    // Whether this very try has merged is not known, and nobody guesses.
    let house = House::open(&data, &Options::default()).await;
    house.held(&id, "intent_unreadable").await;
    assert_eq!(repo.git(&["rev-parse", "main"]), merged);

    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.merge_commit.as_ref(), Some(&merged));
    assert_eq!(repo.git(&["rev-parse", "main"]), merged, "merged once");
    house.check().await;
}
