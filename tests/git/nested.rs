//! Repositories inside of a run's worktree: embedded ones, submodules, worktrees of the same repository. What of them becomes
//! a part of a marked commit, and what stays. Commits of plain files are in `commit`.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{Leftovers, changed_tracked, commit_leftovers};

use super::commit::left;
use super::with_worktree;

#[tokio::test]
async fn files_of_an_embedded_repository_are_taken_again_and_again() {
    let (lab, repo, worktree) = with_worktree().await;
    let inner = worktree.path.join("tools/inner");
    fs::create_dir_all(inner.join("deeper")).unwrap();
    for dir in [&inner, &inner.join("deeper")] {
        lab.sh(dir, &["init", "-q"]);
        fs::write(dir.join("code"), "x\n").unwrap();
    }
    let commit = left(&repo, &worktree).await;
    let held = lab.sh(
        &lab.repo(),
        &["ls-tree", "-r", "--name-only", commit.as_str()],
    );
    assert_eq!(
        held,
        ".gitignore\nf\ntools/inner/code\ntools/inner/deeper/code"
    );
    fs::write(inner.join("second"), "y\n").unwrap();
    fs::write(inner.join("code"), "changed\n").unwrap();
    let commit = left(&repo, &worktree).await;
    assert_eq!(
        lab.sh(
            &lab.repo(),
            &["show", &format!("{commit}:tools/inner/code")]
        ),
        "changed"
    );
    assert!(lab.has(&format!("{commit}:tools/inner/second")));
}

#[tokio::test]
async fn a_submodule_follows_its_head_and_an_unpopulated_one_stays() {
    let (lab, repo, worktree) = with_worktree().await;
    let at = &worktree.path;
    let library = lab.start("library");
    let url = library.to_str().unwrap();
    for name in ["used", "unused"] {
        lab.sh(
            at,
            &[
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "add",
                "-q",
                url,
                name,
            ],
        );
    }
    lab.commit(at, "add submodules");
    lab.sh(at, &["submodule", "deinit", "-q", "-f", "unused"]);
    assert_eq!(
        commit_leftovers(&repo, &worktree, "x", &[], &[])
            .await
            .unwrap(),
        Leftovers::Nothing
    );
    fs::write(at.join("used/f"), "uncommitted\n").unwrap();
    assert_eq!(
        commit_leftovers(&repo, &worktree, "x", &[], &[])
            .await
            .unwrap(),
        Leftovers::Nothing
    );
    lab.sh(&at.join("used"), &["config", "user.email", "a@b"]);
    lab.sh(&at.join("used"), &["config", "user.name", "a"]);
    let inner = lab.commit(&at.join("used"), "inside");
    assert_eq!(
        changed_tracked(&repo, &worktree).await.unwrap(),
        [PathBuf::from("used")]
    );
    let commit = left(&repo, &worktree).await;
    let tree = lab.sh(&lab.repo(), &["ls-tree", commit.as_str()]);
    assert!(
        tree.contains(&format!("160000 commit {inner}\tused")) && tree.contains("\tunused"),
        "{tree}"
    );
}

#[tokio::test]
async fn another_worktree_of_the_repository_inside_of_the_runs_own_is_left_out() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(
        &worktree.path,
        &["worktree", "add", "-q", "inner", "-b", "side"],
    );
    fs::write(worktree.path.join("inner/f"), "of the side\n").unwrap();
    assert_eq!(
        commit_leftovers(&repo, &worktree, "x", &[], &[])
            .await
            .unwrap(),
        Leftovers::Nothing
    );
    fs::write(worktree.path.join("new"), "").unwrap();
    let commit = left(&repo, &worktree).await;
    let held = lab.sh(
        &lab.repo(),
        &["ls-tree", "-r", "--name-only", commit.as_str()],
    );
    assert_eq!(held, ".gitignore\nf\nnew");
}
