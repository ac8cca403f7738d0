//! A git that somebody kills has answered nothing: that is trouble that passes, and never taken for a no.

use std::{fs, path::Path, time::Duration};

use agent_loop::effect::git::{
    Git, GitError, GitErrorKind, Repo, default_base, is_ancestor, merge_base, named_base,
    prepare_worktree, tip,
};

use super::{Lab, executable, mortal_git, ready, want};

const LIMIT: Duration = Duration::from_secs(60);

/// The lab's repository by a git that can be killed.
async fn mortal() -> (Lab, Git, Repo) {
    let lab = Lab::new().await;
    let script = mortal_git(&lab.at(""), &lab.at("git"));
    let git = Git::with(&script, LIMIT, LIMIT).await.unwrap();
    let repo = Repo::open(&git, &lab.repo()).await.unwrap();
    (lab, git, repo)
}

fn transient(error: &GitError) {
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    for word in ["killed by signal 9", "memory"] {
        assert!(error.said.contains(word), "{error}");
    }
    assert!(error.tried.contains("run mortal"), "{error}");
}

#[tokio::test]
async fn a_question_whose_git_is_killed_is_not_answered_with_no() {
    let (lab, _, repo) = mortal().await;
    let head = lab.id(&lab.repo(), "HEAD");
    let dies_at = |words: &str| fs::write(lab.at("dies-at"), words).unwrap();
    dies_at("rev-parse --verify");
    transient(&named_base(&repo, "main").await.unwrap_err());
    transient(&default_base(&repo).await.unwrap_err());
    transient(&tip(&repo, "main").await.unwrap_err());
    dies_at("symbolic-ref");
    transient(&default_base(&repo).await.unwrap_err());
    dies_at("config --get");
    transient(&default_base(&repo).await.unwrap_err());
    dies_at("merge-base");
    transient(&is_ancestor(&repo, &head, &head).await.unwrap_err());
    transient(&merge_base(&repo, &head, &head).await.unwrap_err());
    dies_at("nothing of ours");
    assert_eq!(named_base(&repo, "main").await.unwrap().commit, head);
}

#[tokio::test]
async fn a_workspace_whose_git_is_killed_is_not_taken_for_none() {
    let (lab, git, _) = mortal().await;
    for words in ["--git-common-dir", "--git-dir", "--is-inside-work-tree"] {
        fs::write(lab.at("dies-at"), words).unwrap();
        let error = Repo::open(&git, &lab.repo()).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::Transient, "{words}: {error}");
        assert!(error.said.contains("signal 9"), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_worktree_whose_git_is_killed_at_any_call_is_made_by_the_next_try() {
    let (lab, _, repo) = mortal().await;
    for words in [
        "config -z",
        "for-each-ref",
        "update-ref",
        "worktree add",
        "read-tree",
        "checkout-index",
    ] {
        fs::write(lab.at("dies-at"), words).unwrap();
        match prepare_worktree(&repo, &want("r1")).await {
            Err(error) => transient(&error),
            Ok(prepared) => {
                ready(prepared);
            }
        }
    }
    fs::remove_file(lab.at("dies-at")).unwrap();
    let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
}

/// A git that is killed so many times before it says its version.
async fn killed_at_the_start(dir: &Path, times: usize) -> Result<Git, GitError> {
    let (script, left) = (dir.join("git"), dir.join("left"));
    fs::write(&left, "x".repeat(times)).unwrap();
    let lines = format!(
        "#!/bin/sh\nif [ -s '{0}' ]; then truncate -s -1 '{0}'; kill -9 $$; fi\nexec git \"$@\"\n",
        left.display()
    );
    executable(&script, &lines);
    Git::with(&script, LIMIT, LIMIT).await
}

#[tokio::test]
async fn a_git_that_is_killed_as_the_daemon_starts_is_asked_again_before_it_gives_up() {
    let dir = tempfile::tempdir().unwrap();
    killed_at_the_start(dir.path(), 2).await.unwrap();
    let error = killed_at_the_start(dir.path(), 100).await.unwrap_err();
    assert!(error.to_string().contains("killed by signal 9"), "{error}");
    assert_eq!(fs::read(dir.path().join("left")).unwrap().len(), 95);
}
