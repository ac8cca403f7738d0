//! A run's branch and worktree: made, made again, never over something of the user's.

use std::fs;

use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::effect::git::{GitErrorKind, Repo, Want, Worktree, head, prepare_worktree};

use super::{Lab, held, ready, want, with_worktree};

pub(super) async fn prepared(repo: &Repo, want: &Want<'_>) -> Worktree {
    ready(prepare_worktree(repo, want).await.unwrap())
}

#[tokio::test]
async fn a_run_starts_beside_a_dirty_checkout_on_another_branch_which_stays_byte_identical() {
    let lab = Lab::new().await;
    let place = lab.repo();
    lab.sh(&place, &["switch", "-q", "-c", "topic"]);
    fs::write(place.join("f"), "staged\n").unwrap();
    lab.sh(&place, &["add", "f"]);
    fs::write(place.join("f"), "changed\n").unwrap();
    fs::write(place.join("untracked"), "mine\n").unwrap();
    let before = lab.picture(&place);
    let repo = lab.open().await;
    let worktree = prepared(&repo, &want("r1")).await;
    assert_eq!(lab.picture(&place), before);
    assert_eq!(worktree.base_branch, "main");
    assert_eq!(worktree.run_branch, "run/spec");
    assert_eq!(worktree.path, lab.at("wt.run-spec"));
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "one\n"
    );
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
    assert_eq!(
        lab.sh(&worktree.path, &["branch", "--show-current"]),
        "run/spec"
    );
}

#[tokio::test]
async fn a_repeat_without_a_record_gives_the_same_branch_and_path() {
    let (lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("work"), "of the agent\n").unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert!(first.path.join("work").exists());
    assert_eq!(
        lab.sh(
            &lab.repo(),
            &["branch", "--list", "run/*", "--format=%(refname:short)"]
        ),
        "run/spec"
    );
}

#[tokio::test]
async fn locks_that_a_killed_git_left_while_it_claimed_the_branch_hold_nobody_up() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let locks = ["refs/heads/run/spec", "refs/loopd/runs/r1/0/run/spec"]
        .map(|name| repo.common_dir.join(format!("{name}.lock")));
    for left in [&locks[..1], &locks[1..], &locks] {
        for lock in left {
            fs::create_dir_all(lock.parent().unwrap()).unwrap();
            fs::write(lock, "").unwrap();
        }
        let mut git = lab.waiting_git(&lab.repo());
        let error = prepare_worktree(&repo, &want("r1")).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
        assert!(error.said.contains(".lock"), "{error}");
        git.kill().unwrap();
        git.wait().unwrap();
        let worktree = prepared(&repo, &want("r1")).await;
        assert_eq!(worktree.run_branch, "run/spec");
        assert!(locks.iter().all(|lock| !lock.exists()));
        let path = worktree.path.to_str().unwrap();
        lab.sh(
            &lab.repo(),
            &["worktree", "remove", "--force", "--force", path],
        );
        for name in ["refs/heads/run/spec", "refs/loopd/runs/r1/0/run/spec"] {
            lab.sh(&lab.repo(), &["update-ref", "-d", name]);
        }
    }
}

#[tokio::test]
async fn a_crash_after_the_branch_was_claimed_leaves_no_stray_branch() {
    let (lab, repo, first) = with_worktree().await;
    // As a crash between the claim and `worktree add` leaves it: branch and mark, no worktree.
    lab.drop_worktree(&first);
    assert!(lab.has("refs/loopd/runs/r1/0/run/spec"));
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    // And between the mark and the branch.
    lab.drop_worktree(&first);
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "run/spec"]);
    assert_eq!(prepared(&repo, &want("r1")).await, first);
}

#[tokio::test]
async fn a_crash_while_the_files_were_written_is_finished() {
    let (_lab, repo, first) = with_worktree().await;
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    fs::remove_file(admin.join("loopd")).unwrap();
    fs::remove_file(first.path.join(".gitignore")).unwrap();
    fs::write(first.path.join("f"), "o").unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert_eq!(fs::read_to_string(first.path.join("f")).unwrap(), "one\n");
    assert!(admin.join("loopd").exists());
    // And before the directory had its `.git`.
    fs::remove_file(admin.join("loopd")).unwrap();
    fs::remove_dir_all(&first.path).unwrap();
    fs::create_dir(&first.path).unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert!(first.path.join("f").exists());
}

#[tokio::test]
async fn a_recorded_worktree_is_taken_up_as_it_is_and_a_reset_gets_its_own() {
    let (_lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "half done\n").unwrap();
    let stored: Worktree = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(
        prepared(
            &repo,
            &Want {
                known: Some(&stored),
                ..want("r1")
            }
        )
        .await,
        first
    );
    assert_eq!(
        fs::read_to_string(first.path.join("f")).unwrap(),
        "half done\n"
    );
    let reset = prepared(
        &repo,
        &Want {
            reset: 1,
            ..want("r1")
        },
    )
    .await;
    assert_eq!(reset.run_branch, "run/spec-2");
    assert!(first.path.join("f").exists());
}

#[tokio::test]
async fn a_vanished_directory_is_added_again_at_the_same_place_with_the_runs_commits() {
    let (lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "two\n").unwrap();
    let commit = lab.commit(&first.path, "work");
    fs::remove_dir_all(&first.path).unwrap();
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine"]);
    fs::remove_dir_all(lab.at("mine")).unwrap();
    let again = prepared(
        &repo,
        &Want {
            known: Some(&first),
            ..want("r1")
        },
    )
    .await;
    assert_eq!(again, first);
    assert_eq!(head(&repo, &again).await.unwrap().commit, commit);
    assert_eq!(fs::read_to_string(first.path.join("f")).unwrap(), "two\n");
    // What git knows of the user's own vanished worktree stays.
    assert!(repo.common_dir.join("worktrees/mine").exists());
}

#[tokio::test]
async fn a_crash_while_a_vanished_directory_was_added_again_is_finished_and_deletes_nothing() {
    let (lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "two\n").unwrap();
    lab.commit(&first.path, "work");
    fs::remove_dir_all(&first.path).unwrap();
    let crash = Crash::at(CrashPoint {
        place: Place::Called,
        name: Some("worktree".to_owned()),
        // The first one forgets what git kept about the directory.
        nth: 2,
        death: Death::Quit,
    });
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    let dying = Repo::open(&lab.git.clone().dying(crash.clone()), &lab.repo()).await;
    let dying = dying.unwrap();
    tokio::select! {
        it = prepare_worktree(&dying, &known) => panic!("it did not die: {it:?}"),
        () = crash.died() => {}
    }
    assert!(!first.path.join("f").exists(), "the files were to follow");
    drop(dying);
    assert_eq!(prepared(&repo, &known).await, first);
    assert_eq!(fs::read_to_string(first.path.join("f")).unwrap(), "two\n");
    assert_eq!(lab.sh(&first.path, &["status", "--porcelain"]), "");
    // From then on it is taken up as it is.
    fs::write(first.path.join("f"), "half done\n").unwrap();
    assert_eq!(prepared(&repo, &known).await, first);
    assert_eq!(
        fs::read_to_string(first.path.join("f")).unwrap(),
        "half done\n"
    );
}

#[tokio::test]
async fn a_switched_branch_a_detached_head_and_a_foreign_directory_are_held_for_a_person() {
    let (lab, repo, first) = with_worktree().await;
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    lab.sh(&first.path, &["switch", "-q", "-c", "elsewhere"]);
    assert!(
        held(prepare_worktree(&repo, &known).await.unwrap())
            .contains("is on elsewhere, not on run/spec")
    );
    lab.sh(&first.path, &["switch", "-q", "--detach"]);
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains("on no branch"));
    lab.sh(&first.path, &["switch", "-q", "run/spec"]);
    ready(prepare_worktree(&repo, &known).await.unwrap());
    fs::write(first.path.join(".git"), "gitdir: /elsewhere\n").unwrap();
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains(".git does not lead"));
    fs::remove_dir_all(&first.path).unwrap();
    fs::create_dir(&first.path).unwrap();
    fs::write(first.path.join("mine"), "").unwrap();
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains(".git does not lead"));
    assert!(first.path.join("mine").exists());
    fs::remove_dir_all(&first.path).unwrap();
    lab.drop_worktree(&first);
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "run/spec"]);
    assert!(
        held(prepare_worktree(&repo, &known).await.unwrap())
            .contains("the branch run/spec is gone")
    );
}
