//! What looks like loopd's own work and is not; and checkouts that cannot be moved, of whatever kind they are.

use std::fs;

use agent_loop::effect::git::{
    Executed, Oid, Repo, Step, Strategy, Tip, execute, head, plan_merge,
};

use super::{into_main, merge_want, ready, want, with_worktree};

#[tokio::test]
async fn only_a_merge_of_this_run_with_this_tree_is_taken_for_one() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let verified = head(&repo, &worktree).await.unwrap();
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let tree = verified.tree.as_str();
    let other = lab.sh(&lab.repo(), &["rev-parse", "main^{tree}"]);
    for (run, kind, tree) in [
        ("r10", "merge", tree),
        ("r1", "plan", tree),
        ("r1", "merge", &other),
    ] {
        let message = format!("x\n\nLoopd-Run: {run}\nLoopd-Kind: {kind}\n");
        let args = ["commit-tree", "-p", "main", "-m", &message, tree];
        let commit = lab.sh(&lab.repo(), &args);
        lab.sh(
            &lab.repo(),
            &["update-ref", "refs/heads/agent/spec", &commit],
        );
        let target = Oid::parse(&commit).unwrap();
        assert_eq!(
            plan_merge(&repo, &wish).await.unwrap(),
            Step::TargetMoved { target },
            "{run} {kind}"
        );
    }
}

#[tokio::test]
async fn a_tree_that_was_not_verified_and_a_branch_without_its_base_are_not_merged() {
    let (lab, repo, worktree) = with_worktree().await;
    let old = head(&repo, &worktree).await.unwrap();
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let now = head(&repo, &worktree).await.unwrap();
    let mixed = Tip {
        tree: old.tree,
        ..now
    };
    let refused = plan_merge(&repo, &merge_want(&worktree, &mixed, Strategy::Squash)).await;
    let error = refused.unwrap_err();
    assert!(error.said.contains("its tree is not"), "{error}");
    let root = ["commit-tree", "-m", "another history", "main^{tree}"];
    let root = lab.sh(&lab.repo(), &root);
    lab.sh(&lab.repo(), &["update-ref", "refs/heads/run/spec", &root]);
    let verified = head(&repo, &worktree).await.unwrap();
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let step = plan_merge(&repo, &wish).await.unwrap();
    assert!(
        matches!(&step, Step::Held { message, .. } if message.contains("does not contain the commit")),
        "{step:?}"
    );
}

#[tokio::test]
async fn unfinished_work_on_the_target_in_a_linked_checkout_is_left_alone() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&lab.repo(), &["branch", "agent/spec"]);
    let add = ["worktree", "add", "-q", "--detach", "../mine", "main"];
    lab.sh(&lab.repo(), &add);
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let verified = head(&repo, &worktree).await.unwrap();
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let Step::Ready(intent) = plan_merge(&repo, &wish).await.unwrap() else {
        panic!("not ready")
    };
    let admin = repo.common_dir.join("worktrees/mine");
    for (file, text, what) in [
        (
            "rebase-merge/head-name",
            "refs/heads/agent/spec\n",
            "a rebase",
        ),
        (
            "rebase-apply/head-name",
            "refs/heads/agent/spec\n",
            "a rebase",
        ),
        ("BISECT_START", "agent/spec\n", "a bisection"),
    ] {
        let file = admin.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        let done = execute(&repo, &intent, &worktree.drivers).await.unwrap();
        let words = format!("{what} of the target is unfinished");
        assert!(
            matches!(&done, Executed::Held { message, .. } if message.contains(&words)),
            "{done:?}"
        );
        fs::remove_file(&file).unwrap();
    }
    let done = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert!(matches!(done, Executed::Merged { .. }), "{done:?}");
}

#[tokio::test]
async fn a_repository_apart_from_its_checkout_knows_it_only_from_there_and_is_not_moved_under_it() {
    let (lab, _, _) = with_worktree().await;
    let apart = lab.at("apart/kept.git").display().to_string();
    fs::create_dir(lab.at("apart")).unwrap();
    let there = lab.start("second");
    lab.sh(&there, &["init", "-q", "--separate-git-dir", &apart]);
    let from_there = Repo::open(&lab.git, &there).await.unwrap();
    assert_eq!(from_there.primary().await.unwrap(), Some(there.clone()));
    // As every later effect opens it: by its identity.
    let repo = Repo::open(&lab.git, &from_there.common_dir).await.unwrap();
    assert_eq!(repo.primary().await.unwrap(), None);
    let place = |_: &str| Ok("../wt-apart".into());
    let wish = agent_loop::effect::git::Want {
        place: &place,
        ..want("r9")
    };
    let prepared = agent_loop::effect::git::prepare_worktree(&repo, &wish).await;
    let worktree = ready(prepared.unwrap());
    let in_it = Repo::open(&lab.git, &worktree.path).await.unwrap();
    assert_eq!(in_it.primary().await.unwrap(), None);
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let intent = into_main(&repo, &worktree).await;
    let done = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert!(
        matches!(&done, Executed::Held { message, .. } if message.contains("does not say where")),
        "{done:?}"
    );
    assert_eq!(lab.id(&there, "main"), worktree.base_commit);
    assert_eq!(lab.sh(&there, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_submodule_as_a_workspace_knows_its_own_checkout() {
    let (lab, _, _) = with_worktree().await;
    let library = lab.start("library");
    let from = library.to_str().unwrap();
    let local = ["-c", "protocol.file.allow=always", "submodule"];
    lab.sh(
        &lab.repo(),
        &[&local[..], &["add", "-q", from, "part"]].concat(),
    );
    let part = lab.repo().join("part");
    let opened = Repo::open(&lab.git, &part).await.unwrap();
    assert!(opened.common_dir.ends_with(".git/modules/part"));
    let by_identity = Repo::open(&lab.git, &opened.common_dir).await.unwrap();
    assert_eq!(by_identity.primary().await.unwrap(), Some(part));
}
