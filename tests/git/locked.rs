//! Locks in a worktree, and an index that a death has left behind its branch.

use std::{fs, path::Path};

use agent_loop::effect::git::{
    CatchUpWant, FileCommit, GitErrorKind, Leftovers, Worktree, catch_up, commit_file,
    commit_leftovers, drop_stale_locks, head,
};

use super::{Lab, with_worktree};

#[tokio::test]
async fn while_the_index_is_locked_neither_files_nor_branch_move() {
    let (lab, repo, worktree) = with_worktree().await;
    let from = lab.commit(&worktree.path, "ours");
    fs::write(lab.repo().join("f"), "theirs\n").unwrap();
    lab.commit(&lab.repo(), "theirs");
    let lock = repo.common_dir.join("worktrees/wt.run-spec/index.lock");
    fs::write(&lock, "").unwrap();
    let wish = CatchUpWant {
        worktree: &worktree,
        from: &from,
        target_branch: "main",
    };
    let error = catch_up(&repo, &wish).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    let error = commit_file(&repo, &worktree, Path::new("f"), b"ticked\n", "x")
        .await
        .unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert_eq!(head(&repo, &worktree).await.unwrap().commit, from);
    let file = fs::read_to_string(worktree.path.join("f")).unwrap();
    assert_eq!(file, "one\n");
    assert!(lock.exists());
}

#[tokio::test]
async fn every_lock_of_the_worktrees_own_is_dropped() {
    let (_lab, repo, worktree) = with_worktree().await;
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    let locks = ["index.lock", "HEAD.lock"].map(|name| admin.join(name));
    for lock in &locks {
        fs::write(lock, "").unwrap();
    }
    assert_eq!(drop_stale_locks(&repo, &worktree).await.unwrap(), locks);
    assert!(locks.iter().all(|lock| !lock.exists()));
}

/// The branch has moved on and the files with it; the index knows nothing of it.
fn death_before_the_index(lab: &Lab, worktree: &Worktree) {
    let index = lab.repo().join(".git/worktrees/wt.run-spec/index");
    let before = fs::read(&index).unwrap();
    fs::write(worktree.path.join("f"), "moved on\n").unwrap();
    lab.commit(&worktree.path, "moved on");
    fs::write(&index, before).unwrap();
    let said = lab.sh(&worktree.path, &["status", "--porcelain"]);
    assert_eq!(said, "MM f", "it looks as if somebody had undone it");
}

#[tokio::test]
async fn an_index_that_was_left_behind_is_made_to_agree_by_a_repeat() {
    let (lab, repo, worktree) = with_worktree().await;
    let clean = || assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
    death_before_the_index(&lab, &worktree);
    let left = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
    assert_eq!(left.unwrap(), Leftovers::Nothing);
    clean();
    lab.sh(&worktree.path, &["reset", "-q", "--hard", "HEAD~1"]);
    death_before_the_index(&lab, &worktree);
    let made = commit_file(&repo, &worktree, Path::new("f"), b"moved on\n", "x").await;
    assert_eq!(made.unwrap(), FileCommit::Unchanged);
    clean();
}
