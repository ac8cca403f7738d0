//! A run branch goes only when nothing is lost with it, whatever happens in between.

use std::path::PathBuf;

use agent_loop::crash::Place;
use agent_loop::effect::git::{
    Oid, Removal, Repo, Retired, Want, Worktree, prepare_worktree, remove_worktree, retire_branch,
};

use super::{Lab, ready, want, with_worktree};

/// A run with one commit of its own whose worktree has gone.
async fn without_worktree() -> (Lab, Repo, Worktree, Oid) {
    let (lab, repo, worktree) = with_worktree().await;
    let tip = lab.commit(&worktree.path, "work");
    let gone = remove_worktree(&repo, &worktree).await.unwrap();
    assert_eq!(gone, Removal::Removed { rescue: None });
    (lab, repo, worktree, tip)
}

/// The refs that lead to a commit.
fn leading_to(lab: &Lab, commit: &Oid) -> String {
    let contains = format!("--contains={commit}");
    lab.sh(
        &lab.repo(),
        &["for-each-ref", "--format=%(refname)", &contains],
    )
}

#[tokio::test]
async fn a_branch_that_moves_while_it_is_retired_stays() {
    let (lab, repo, worktree, tip) = without_worktree().await;
    let tree = format!("{tip}^{{tree}}");
    let newer = ["commit-tree", "-p", tip.as_str(), "-m", "newer", &tree];
    let newer = lab.sh(&lab.repo(), &newer);
    lab.meanwhile(
        "*\" --stdin -z -m loopd: retire \"*",
        &format!("git update-ref refs/heads/run/spec {newer}"),
    );
    let refused = retire_branch(&repo, &worktree, &["main"]).await;
    assert!(lab.has_happened());
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(lab.sh(&lab.repo(), &["rev-parse", "run/spec"]), newer);
    assert!(lab.has("refs/loopd/runs/r1/0/run/spec"), "and its mark");
}

#[tokio::test]
async fn at_no_moment_is_a_commit_in_no_ref() {
    for place in [Place::Calling, Place::Called] {
        for nth in [1, 2] {
            let (lab, _, worktree, tip) = without_worktree().await;
            let (dying, crash) = lab.dying(place, "update-ref", nth);
            let repo = Repo::open(&dying, &lab.repo()).await.unwrap();
            tokio::select! {
                it = retire_branch(&repo, &worktree, &["main"]) => panic!("it did not die: {it:?}"),
                () = crash.died() => {}
            }
            assert_ne!(leading_to(&lab, &tip), "", "{place:?} {nth}");
            drop(repo);
            let repo = lab.open().await;
            let gone = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
            assert!(matches!(gone, Retired::Deleted { .. }), "{gone:?}");
            assert_eq!(leading_to(&lab, &tip), "refs/loopd/rescue/r1");
        }
    }
}

#[tokio::test]
async fn neither_the_branch_itself_nor_another_name_of_it_keeps_its_commits() {
    let (lab, repo, worktree, tip) = without_worktree().await;
    let gone = retire_branch(&repo, &worktree, &["run/spec", "main"]).await;
    let rescue = Some("refs/loopd/rescue/r1".to_owned());
    let tip = Some(tip);
    assert_eq!(gone.unwrap(), Retired::Deleted { tip, rescue });
    assert!(!lab.has("refs/heads/run/spec"));
}

#[tokio::test]
async fn an_older_rescue_ref_is_enough() {
    let (lab, repo, worktree, tip) = without_worktree().await;
    let older = ["update-ref", "refs/loopd/rescue/r1", tip.as_str()];
    lab.sh(&lab.repo(), &older);
    let gone = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
    let deleted = Retired::Deleted {
        tip: Some(tip.clone()),
        rescue: None,
    };
    assert_eq!(gone, deleted);
    assert_eq!(leading_to(&lab, &tip), "refs/loopd/rescue/r1");
}

#[tokio::test]
async fn the_first_commit_is_kept_although_a_person_has_moved_the_branch_away_from_it() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let files = [(PathBuf::from("spec.md"), b"as it was\n".to_vec())];
    let snapshot = Want {
        snapshot: &files,
        ..want("r1")
    };
    let worktree = ready(prepare_worktree(&repo, &snapshot).await.unwrap());
    let gone = remove_worktree(&repo, &worktree).await.unwrap();
    assert_eq!(gone, Removal::Removed { rescue: None });
    lab.sh(&lab.repo(), &["branch", "-q", "-f", "run/spec", "main"]);
    let gone = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
    assert!(matches!(
        gone,
        Retired::Deleted {
            rescue: Some(_),
            ..
        }
    ));
    let kept = lab.id(&lab.repo(), "refs/loopd/rescue/r1");
    assert_eq!(kept, worktree.start_commit);
}
