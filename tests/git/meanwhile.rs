//! Somebody does something between loopd's last look and its act: theirs stays, and nothing is taken for done.

use std::{fs, path::Path, time::Duration};

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, Executed, GitErrorKind, Intent, Oid, Repo, Worktree, catch_up,
    commit_file, commit_leftovers, execute, prepare_worktree,
};

use super::{Lab, into_main, ready, want, with_worktree};

/// A run whose work is to be merged into the branch that the user has checked out.
async fn planned() -> (Lab, Repo, Worktree, Intent) {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let intent = into_main(&repo, &worktree).await;
    (lab, repo, worktree, intent)
}

/// Why the merge is held; neither branch of the user's may have lost anything.
async fn held_while(pattern: &str) -> (String, Lab, Worktree) {
    let (lab, repo, worktree, intent) = planned().await;
    lab.meanwhile(pattern, "git switch -q -c topic");
    let done = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert!(lab.has_happened());
    let Executed::Held { message, .. } = done else {
        panic!("{done:?}")
    };
    assert_eq!(lab.id(&lab.repo(), "main"), worktree.base_commit);
    (message, lab, worktree)
}

#[tokio::test]
async fn a_checkout_that_is_switched_before_it_is_moved_stays_where_it_is() {
    let (why, lab, worktree) = held_while("*\" -C \"*\" symbolic-ref \"*").await;
    assert!(why.contains("switched to another branch"), "{why}");
    assert_eq!(lab.id(&lab.repo(), "topic"), worktree.base_commit);
}

#[tokio::test]
async fn a_checkout_that_is_switched_while_it_is_moved_is_told() {
    let (why, lab, _) = held_while("*\" merge --ff-only \"*").await;
    assert!(
        why.contains("topic") && why.contains("look at its last commit"),
        "{why}"
    );
    assert_eq!(lab.sh(&lab.repo(), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn somebody_who_works_in_the_checkout_is_waited_for() {
    let (lab, repo, worktree, intent) = planned().await;
    let lock = repo.common_dir.join("index.lock");
    fs::write(&lock, "").unwrap();
    let merge = execute(&repo, &intent, &worktree.drivers);
    tokio::pin!(merge);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut merge).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    fs::remove_file(&lock).unwrap();
    let done = merge.await.unwrap();
    assert!(matches!(done, Executed::Merged { .. }), "{done:?}");
    assert_eq!(lab.id(&lab.repo(), "main"), intent.new);
}

/// A commit on top of `main` that somebody makes.
fn somebodys(lab: &Lab) -> Oid {
    let args = ["commit-tree", "-p", "main", "-m", "theirs", "main^{tree}"];
    Oid::parse(&lab.sh(&lab.repo(), &args)).unwrap()
}

#[tokio::test]
async fn a_run_branch_that_moves_before_a_commit_of_loopds_keeps_what_came() {
    let (lab, repo, worktree) = with_worktree().await;
    let theirs = somebodys(&lab);
    fs::write(worktree.path.join("new"), "left\n").unwrap();
    lab.meanwhile(
        "*\" -m loopd: leftovers \"*",
        &format!("git update-ref refs/heads/run/spec {theirs}"),
    );
    let error = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap_err();
    assert!(lab.has_happened());
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert!(error.said.contains("moved meanwhile"), "{error}");
    assert_eq!(lab.id(&lab.repo(), "run/spec"), theirs);
}

#[tokio::test]
async fn a_run_branch_that_moves_before_the_plan_is_committed_keeps_what_came() {
    let (lab, repo, worktree) = with_worktree().await;
    let theirs = somebodys(&lab);
    lab.meanwhile(
        "*\" -m loopd: plan \"*",
        &format!("git update-ref refs/heads/run/spec {theirs}"),
    );
    let error = commit_file(&repo, &worktree, Path::new("f"), b"ticked\n", "x")
        .await
        .unwrap_err();
    assert!(lab.has_happened());
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert_eq!(lab.id(&lab.repo(), "run/spec"), theirs);
}

#[tokio::test]
async fn a_run_branch_that_moves_while_it_catches_up_keeps_what_came() {
    let (lab, repo, worktree) = with_worktree().await;
    let from = lab.commit(&worktree.path, "ours");
    let theirs = somebodys(&lab);
    fs::write(lab.repo().join("theirs"), "").unwrap();
    lab.commit(&lab.repo(), "the target moves");
    lab.meanwhile(
        "*\" -m loopd: catch up \"*",
        &format!("git update-ref refs/heads/run/spec {theirs}"),
    );
    let wish = CatchUpWant {
        worktree: &worktree,
        from: &from,
        target_branch: "main",
    };
    let tip = Some(theirs.clone());
    assert_eq!(
        catch_up(&repo, &wish).await.unwrap(),
        CatchUp::RunBranchMoved { tip }
    );
    assert!(lab.has_happened());
    assert_eq!(lab.id(&lab.repo(), "run/spec"), theirs);
}

#[tokio::test]
async fn an_index_that_somebody_takes_before_loopd_writes_it_is_theirs() {
    let (lab, repo, worktree) = with_worktree().await;
    let lock = repo.common_dir.join("worktrees/wt.run-spec/index.lock");
    fs::write(worktree.path.join("new"), "left\n").unwrap();
    lab.meanwhile(
        "*\" -m loopd: leftovers \"*",
        &format!("echo theirs > '{}'", lock.display()),
    );
    let error = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap_err();
    assert!(lab.has_happened());
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), "theirs\n");
    // A repeat finds the commit made, and makes the index agree.
    fs::remove_file(&lock).unwrap();
    let again = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
    assert_eq!(again.unwrap(), agent_loop::effect::git::Leftovers::Nothing);
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_name_that_somebody_takes_first_is_passed_by() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    lab.meanwhile("*\" update-ref --stdin \"*", "git branch run/spec main");
    let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert!(lab.has_happened());
    assert_eq!(worktree.run_branch, "run/spec-2");
    assert!(!lab.has("refs/loopd/runs/r1/0/run/spec"));
}
