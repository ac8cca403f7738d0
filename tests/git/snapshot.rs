//! The snapshot of a spec and a plan that no commit has: the first commit of a run's branch. How branch and worktree are made
//! is tried in `prepare`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{Want, prepare_worktree, show};

use super::prepare::prepared;
use super::{Lab, want};

#[tokio::test]
async fn a_snapshot_becomes_the_first_commit_and_changes_nothing_else() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let place = lab.repo();
    fs::create_dir(place.join("specs")).unwrap();
    fs::write(place.join("specs/a.md"), "draft\n").unwrap();
    let before = lab.picture(&place);
    let files = [
        (PathBuf::from("specs/a.md"), b"draft\n".to_vec()),
        (PathBuf::from("empty"), Vec::new()),
    ];
    let wish = Want {
        snapshot: &files,
        ..want("r1")
    };
    let worktree = prepared(&repo, &wish).await;
    assert_eq!(lab.picture(&place), before);
    assert_eq!(worktree.base_commit, lab.id(&place, "main"));
    assert_ne!(worktree.start_commit, worktree.base_commit);
    let got = show(&repo, &worktree.start_commit, Path::new("specs/a.md"))
        .await
        .unwrap();
    assert_eq!(got.as_deref(), Some(&b"draft\n"[..]));
    assert_eq!(
        show(&repo, &worktree.start_commit, Path::new("empty"))
            .await
            .unwrap(),
        Some(Vec::new())
    );
    assert_eq!(
        fs::read_to_string(worktree.path.join("specs/a.md")).unwrap(),
        "draft\n"
    );
    // After a crash the base is found again below the snapshot.
    assert_eq!(prepared(&repo, &wish).await, worktree);
    let outside = [(PathBuf::from("../x"), Vec::new())];
    let error = prepare_worktree(
        &repo,
        &Want {
            snapshot: &outside,
            ..want("r2")
        },
    )
    .await
    .unwrap_err();
    assert!(error.tried.contains("../x"), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_what_the_base_holds_is_no_commit() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let files = [(PathBuf::from("f"), b"one\n".to_vec())];
    let wish = Want {
        snapshot: &files,
        ..want("r1")
    };
    let worktree = prepared(&repo, &wish).await;
    assert_eq!(worktree.start_commit, lab.id(&lab.repo(), "main"));
}

#[tokio::test]
async fn a_snapshot_holds_what_an_add_of_the_file_would() {
    let lab = Lab::new().await;
    fs::write(lab.repo().join(".gitattributes"), "*.md text eol=crlf\n").unwrap();
    lab.commit(&lab.repo(), "line ends");
    let repo = lab.open().await;
    let files = [(PathBuf::from("a.md"), b"one\r\ntwo\r\n".to_vec())];
    let worktree = prepared(
        &repo,
        &Want {
            snapshot: &files,
            ..want("r1")
        },
    )
    .await;
    let held = show(&repo, &worktree.start_commit, Path::new("a.md"))
        .await
        .unwrap();
    assert_eq!(held.as_deref(), Some(&b"one\ntwo\n"[..]));
    assert_eq!(
        fs::read(worktree.path.join("a.md")).unwrap(),
        b"one\r\ntwo\r\n"
    );
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
}
