//! A worktree that was recorded, or half made, is taken up without a word only where it is as loopd left it.

use std::fs;

use agent_loop::effect::git::{
    Oid, Removal, Want, commit_leftovers, prepare_worktree, remove_worktree, retire_branch,
    unrecorded,
};

use super::{held, ready, want, with_worktree};

#[tokio::test]
async fn a_repeat_without_a_record_overwrites_nothing_of_the_agents() {
    let (_lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "of the agent\n").unwrap();
    let again = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert_eq!(again, first);
    assert_eq!(
        fs::read_to_string(first.path.join("f")).unwrap(),
        "of the agent\n"
    );
}

#[tokio::test]
async fn a_worktree_of_the_users_own_in_its_place_is_not_taken_for_the_runs() {
    let (lab, repo, first) = with_worktree().await;
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    let path = first.path.to_str().unwrap();
    lab.sh(&lab.repo(), &["worktree", "remove", "-f", "-f", path]);
    lab.sh(&lab.repo(), &["worktree", "add", "-q", path, "run/spec"]);
    let why = held(prepare_worktree(&repo, &known).await.unwrap());
    assert!(why.contains("does not carry the mark"), "{why}");
    fs::write(first.path.join("mine"), "mine\n").unwrap();
    let error = commit_leftovers(&repo, &first, "x", &[], &[]).await;
    let error = error.unwrap_err();
    assert!(error.said.contains("does not carry the mark"), "{error}");
    lab.sh(&lab.repo(), &["worktree", "remove", "-f", "-f", path]);
    // Nor a directory that is nobody's, however empty.
    fs::create_dir(&first.path).unwrap();
    let why = held(prepare_worktree(&repo, &known).await.unwrap());
    assert!(why.contains("is no worktree of the run"), "{why}");
    assert_eq!(fs::read_dir(&first.path).unwrap().count(), 0);
}

#[tokio::test]
async fn a_vanished_worktree_with_commits_on_no_branch_is_not_forgotten() {
    let (lab, repo, first) = with_worktree().await;
    lab.sh(&first.path, &["switch", "-q", "--detach"]);
    let loose = lab.commit(&first.path, "on no branch");
    fs::remove_dir_all(&first.path).unwrap();
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    let why = held(prepare_worktree(&repo, &known).await.unwrap());
    assert!(
        why.contains("has vanished") && why.contains("not on run/spec any more"),
        "{why}"
    );
    let head = repo.common_dir.join("worktrees/wt.run-spec/HEAD");
    let head = fs::read_to_string(head).unwrap();
    assert_eq!(head.trim(), loose.as_str(), "git still keeps it");
}

#[tokio::test]
async fn what_somebody_put_in_the_place_of_a_half_made_worktree_stays() {
    let (_lab, repo, first) = with_worktree().await;
    fs::remove_file(repo.common_dir.join("worktrees/wt.run-spec/loopd")).unwrap();
    fs::remove_dir_all(&first.path).unwrap();
    fs::create_dir(&first.path).unwrap();
    fs::write(first.path.join("mine"), "mine\n").unwrap();
    let error = prepare_worktree(&repo, &want("r1")).await.unwrap_err();
    assert!(error.said.contains("move it away"), "{error}");
    assert_eq!(
        fs::read_to_string(first.path.join("mine")).unwrap(),
        "mine\n"
    );
    fs::remove_file(first.path.join("mine")).unwrap();
    fs::remove_dir(&first.path).unwrap();
    std::os::unix::fs::symlink("/nowhere", &first.path).unwrap();
    let error = prepare_worktree(&repo, &want("r1")).await.unwrap_err();
    assert!(error.said.contains("move it away"), "{error}");
}

#[tokio::test]
async fn a_retired_branch_whose_commits_are_gone_is_held_in_words() {
    let (_lab, repo, first) = with_worktree().await;
    let gone = remove_worktree(&repo, &first).await.unwrap();
    assert_eq!(gone, Removal::Removed { rescue: None });
    let _ = retire_branch(&repo, &first, &["main"]).await.unwrap();
    let nowhere = Oid::parse(&"1".repeat(40)).unwrap();
    let again = Want {
        known: Some(&first),
        retired: Some(&nowhere),
        ..want("r1")
    };
    let why = held(prepare_worktree(&repo, &again).await.unwrap());
    assert!(
        why.contains(nowhere.as_str()) && why.contains("not in the repository any more"),
        "{why}"
    );
}

#[tokio::test]
async fn the_place_of_a_worktree_of_the_users_that_has_vanished_is_passed_by() {
    let lab = super::Lab::new().await;
    let repo = lab.open().await;
    // It lies on a disk that is not there at present.
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../wt.run-spec"]);
    fs::remove_dir_all(lab.at("wt.run-spec")).unwrap();
    let made = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert_eq!(made.path, lab.at("wt.run-spec-2"));
    assert!(!lab.at("wt.run-spec").exists());
    assert!(repo.common_dir.join("worktrees/wt.run-spec/HEAD").exists());
}

#[tokio::test]
async fn a_worktree_that_was_not_recorded_is_that_of_the_run_whose_mark_it_carries() {
    let (_lab, repo, made) = with_worktree().await;
    let found = unrecorded(&repo, "r1", &made.path).await.unwrap().unwrap();
    assert_eq!(
        (found.path, found.run_branch),
        (made.path.clone(), made.run_branch)
    );
    let other = unrecorded(&repo, "r2", &made.path).await.unwrap();
    assert_eq!(other, None);
}

#[tokio::test]
async fn a_link_in_the_place_of_its_git_file_is_held_wherever_it_leads() {
    let (lab, repo, first) = with_worktree().await;
    fs::rename(first.path.join(".git"), lab.at("moved")).unwrap();
    std::os::unix::fs::symlink(lab.at("moved"), first.path.join(".git")).unwrap();
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    let why = held(prepare_worktree(&repo, &known).await.unwrap());
    assert!(why.contains(".git does not lead"), "{why}");
}

#[tokio::test]
async fn the_base_of_a_run_is_not_mistaken_by_what_another_run_has_committed_there() {
    let lab = super::Lab::new().await;
    let message = "Of another\n\nLoopd-Run: r0\nLoopd-Kind: snapshot";
    let base = lab.commit(&lab.repo(), message);
    let repo = lab.open().await;
    for _ in 0..2 {
        let made = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
        assert_eq!(made.base_commit, base);
    }
}
