//! A target that somebody has checked out: git's own fast-forward in there, or held.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{Executed, Intent, Repo, Worktree, execute, ready};

use super::{Lab, into_main, with_worktree};

async fn planned() -> (Lab, Repo, Worktree, Intent) {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    fs::write(worktree.path.join("new"), "new\n").unwrap();
    lab.commit(&worktree.path, "work");
    let intent = into_main(&repo, &worktree).await;
    (lab, repo, worktree, intent)
}

async fn held(repo: &Repo, worktree: &Worktree, intent: &Intent) -> (Vec<PathBuf>, String) {
    match execute(repo, intent, &worktree.drivers).await.unwrap() {
        Executed::Held { files, message } => (files, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_primary_checkout_follows_and_keeps_its_unrelated_changes() {
    let (lab, repo, worktree, intent) = planned().await;
    fs::write(lab.repo().join(".gitignore"), "mine\n").unwrap();
    fs::write(lab.repo().join("own"), "untracked\n").unwrap();
    lab.sh(&lab.repo(), &["config", "merge.ff", "false"]);
    lab.sh(
        &lab.repo(),
        &["config", "branch.main.mergeOptions", "--squash"],
    );
    lab.sh(&lab.repo(), &["config", "merge.verifySignatures", "true"]);
    let merged = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert_eq!(
        merged,
        Executed::Merged {
            commit: intent.new.clone()
        }
    );
    assert_eq!(lab.id(&lab.repo(), "HEAD"), intent.new);
    assert_eq!(fs::read_to_string(lab.repo().join("f")).unwrap(), "two\n");
    assert_eq!(
        lab.sh(&lab.repo(), &["status", "--porcelain"]),
        " M .gitignore\n?? own"
    );
}

#[tokio::test]
async fn local_changes_in_the_way_hold_the_run_by_name_and_nothing_moves() {
    let (lab, repo, worktree, intent) = planned().await;
    lab.sh(&lab.repo(), &["config", "merge.autoStash", "true"]);
    fs::write(lab.repo().join("f"), "mine\n").unwrap();
    let before = lab.picture(&lab.repo());
    let (files, message) = held(&repo, &worktree, &intent).await;
    assert_eq!(files, [PathBuf::from("f")]);
    assert!(message.contains("refuses to fast-forward"), "{message}");
    assert_eq!(lab.picture(&lab.repo()), before);
    assert_eq!(lab.id(&lab.repo(), "main"), worktree.base_commit);
    fs::write(lab.repo().join("f"), "one\n").unwrap();
    fs::write(lab.repo().join("new"), "mine\n").unwrap();
    assert_eq!(
        held(&repo, &worktree, &intent).await.0,
        [PathBuf::from("new")]
    );
    assert_eq!(
        fs::read_to_string(lab.repo().join("new")).unwrap(),
        "mine\n"
    );
    fs::remove_file(lab.repo().join("new")).unwrap();
    assert!(matches!(
        execute(&repo, &intent, &worktree.drivers).await.unwrap(),
        Executed::Merged { .. }
    ));
}

#[tokio::test]
async fn a_linked_worktree_of_the_users_follows_while_the_primary_one_stays() {
    let (lab, repo, worktree, intent) = planned().await;
    lab.sh(&lab.repo(), &["switch", "-q", "-c", "topic"]);
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mi\nne", "main"]);
    let before = lab.picture(&lab.repo());
    let merged = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert_eq!(
        merged,
        Executed::Merged {
            commit: intent.new.clone()
        }
    );
    assert_eq!(fs::read_to_string(lab.at("mi\nne/new")).unwrap(), "new\n");
    assert_eq!(lab.sh(&lab.at("mi\nne"), &["status", "--porcelain"]), "");
    assert_eq!(lab.picture(&lab.repo()), before);
}

#[tokio::test]
async fn an_index_that_stays_locked_is_held_and_the_lock_named() {
    let (lab, repo, worktree, intent) = planned().await;
    let lock = repo.common_dir.join("index.lock");
    fs::write(&lock, "").unwrap();
    let (files, message) = held(&repo, &worktree, &intent).await;
    assert_eq!(files, std::slice::from_ref(&lock));
    assert!(message.contains("remove the file"), "{message}");
    assert_eq!(lab.id(&lab.repo(), "main"), worktree.base_commit);
    assert!(lock.exists(), "it is not ours to remove");
    // A merge that was stored while it was there proves nothing of it.
    let again = ready(&repo, intent.clone(), Some(&intent), &worktree.drivers, 1);
    let again = again.await.unwrap();
    assert_eq!((again.unlocked_at_ms, again.clean_at), (None, None));
    assert!(lock.exists());
}

#[tokio::test]
async fn a_long_list_of_files_in_the_way_hides_neither_the_reason_nor_its_head() {
    let (lab, repo, worktree) = with_worktree().await;
    for n in 100..200 {
        fs::write(worktree.path.join(format!("in-the-way-{n}")), "ours\n").unwrap();
        fs::write(lab.repo().join(format!("in-the-way-{n}")), "theirs\n").unwrap();
    }
    lab.commit(&worktree.path, "many");
    let intent = into_main(&repo, &worktree).await;
    let (files, message) = held(&repo, &worktree, &intent).await;
    assert_eq!(files.len(), 100);
    for part in [
        "untracked working tree files",
        "in-the-way-100, ",
        " and 80 more",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[tokio::test]
async fn unfinished_work_on_the_target_and_worktrees_of_runs_are_left_alone() {
    let (lab, repo, worktree, intent) = planned().await;
    // A rebase of the target has its HEAD elsewhere, and will come back.
    lab.sh(&lab.repo(), &["switch", "-q", "--detach"]);
    let state = repo.common_dir.join("rebase-merge");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("head-name"), "refs/heads/main\n").unwrap();
    assert!(
        held(&repo, &worktree, &intent)
            .await
            .1
            .contains("a rebase of the target is unfinished")
    );
    fs::remove_dir_all(&state).unwrap();
    lab.sh(&worktree.path, &["switch", "-q", "main"]);
    assert!(
        held(&repo, &worktree, &intent)
            .await
            .1
            .contains("checked out by run r1")
    );
    lab.sh(&worktree.path, &["switch", "-q", "run/spec"]);
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine", "main"]);
    fs::rename(lab.at("mine"), lab.at("moved")).unwrap();
    assert!(
        held(&repo, &worktree, &intent)
            .await
            .1
            .contains("git worktree prune")
    );
    fs::rename(lab.at("moved"), lab.at("mine")).unwrap();
    lab.sh(
        &lab.repo(),
        &["switch", "-q", "--ignore-other-worktrees", "main"],
    );
    assert!(
        held(&repo, &worktree, &intent)
            .await
            .1
            .contains("checked out twice")
    );
    assert_eq!(lab.id(&lab.repo(), "main"), worktree.base_commit);
}

#[tokio::test]
async fn a_sparse_checkout_of_the_users_stays_sparse() {
    let lab = Lab::new().await;
    for dir in ["in", "out"] {
        fs::create_dir(lab.repo().join(dir)).unwrap();
        fs::write(lab.repo().join(dir).join("a"), "1\n").unwrap();
    }
    lab.commit(&lab.repo(), "two directories");
    lab.sh(&lab.repo(), &["sparse-checkout", "set", "in"]);
    let repo = lab.open().await;
    let prepared = agent_loop::effect::git::prepare_worktree(&repo, &super::want("r1"))
        .await
        .unwrap();
    let worktree = super::ready(prepared);
    fs::write(worktree.path.join("in/a"), "2\n").unwrap();
    fs::write(worktree.path.join("out/a"), "2\n").unwrap();
    let _ = agent_loop::effect::git::commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap();
    let intent = into_main(&repo, &worktree).await;
    assert!(matches!(
        execute(&repo, &intent, &worktree.drivers).await.unwrap(),
        Executed::Merged { .. }
    ));
    assert_eq!(fs::read_to_string(lab.repo().join("in/a")).unwrap(), "2\n");
    assert!(!lab.repo().join("out").exists());
    assert_eq!(lab.sh(&lab.repo(), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_bare_repository_with_files_elsewhere_is_not_moved_under_them() {
    let (lab, repo, worktree, intent) = planned().await;
    lab.sh(&lab.repo(), &["config", "core.bare", "true"]);
    let bare = Repo::open(&lab.git, &repo.common_dir).await.unwrap();
    assert!(bare.bare);
    assert!(
        held(&bare, &worktree, &intent)
            .await
            .1
            .contains("does not say where")
    );
    lab.sh(&lab.repo(), &["config", "core.bare", "false"]);
    assert_eq!(lab.id(&lab.repo(), "main"), worktree.base_commit);
}
