//! Paths that loopd writes at: never out of the worktree, never into git's own, and every file keeps what it is.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{
    FileCommit, Leftovers, commit_file, commit_leftovers, exclude_line, show,
};

use super::with_worktree;

#[tokio::test]
async fn no_path_leads_out_of_the_worktree_or_into_gits_own() {
    let (lab, repo, worktree) = with_worktree().await;
    let tip = lab.id(&lab.repo(), "run/spec");
    for path in [
        "",
        ".",
        "../x",
        "a/../../x",
        "/x",
        ".git",
        ".git/config",
        ".GIT/config",
        "a/.gIt/x",
    ] {
        let path = Path::new(path);
        let refused = commit_file(&repo, &worktree, path, b"x", "x").await;
        assert!(refused.is_err(), "{path:?}: {refused:?}");
        assert!(show(&repo, &tip, path).await.is_err(), "{path:?}");
    }
    assert_eq!(lab.id(&lab.repo(), "run/spec"), tip);
}

#[tokio::test]
async fn a_file_that_loopd_commits_keeps_its_mode_whatever_its_name_matches() {
    let (lab, repo, worktree) = with_worktree().await;
    // As a pattern, the second name means the first one, too.
    for (name, mode) in [("x!", 0o755), ("x*", 0o644)] {
        let path = worktree.path.join(name);
        fs::write(&path, "before\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    lab.commit(&worktree.path, "two files");
    for (name, mode) in [("x!", "100755"), ("x*", "100644")] {
        let made = commit_file(&repo, &worktree, Path::new(name), b"after\n", "x").await;
        assert!(matches!(made.unwrap(), FileCommit::Committed(_)));
        let listed = lab.sh(&lab.repo(), &["ls-tree", "run/spec", "--", name]);
        assert!(listed.starts_with(mode), "{name}: {listed}");
    }
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_none_and_not_its_beginning() {
    let (lab, repo, _) = with_worktree().await;
    for (bytes, fits) in [(16 << 20, true), ((16 << 20) + 1, false)] {
        fs::write(lab.repo().join("large"), vec![b'x'; bytes]).unwrap();
        let commit = lab.commit(&lab.repo(), "large");
        let found = show(&repo, &commit, Path::new("large")).await.unwrap();
        assert_eq!(found.map(|it| it.len()), fits.then_some(bytes));
    }
}

#[tokio::test]
async fn what_checks_left_is_no_work_and_a_file_of_the_branch_is_one_whatever_it_is_called() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "changed\n").unwrap();
    fs::write(worktree.path.join("report"), "of a check\n").unwrap();
    let except = [PathBuf::from("f"), PathBuf::from("report")];
    let left = commit_leftovers(&repo, &worktree, "x", &[], &except).await;
    assert!(matches!(left.unwrap(), Leftovers::Committed(_)));
    let status = lab.sh(&worktree.path, &["status", "--porcelain"]);
    assert_eq!(status, "?? report");
}

#[tokio::test]
async fn a_submodule_whose_directory_was_removed_is_removed() {
    let (lab, repo, worktree) = with_worktree().await;
    let (at, library) = (&worktree.path, lab.start("library"));
    let from = library.to_str().unwrap();
    let local = ["-c", "protocol.file.allow=always", "submodule"];
    lab.sh(at, &[&local[..], &["add", "-q", from, "part"]].concat());
    lab.commit(at, "add a submodule");
    fs::remove_dir_all(at.join("part")).unwrap();
    let left = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
    assert!(matches!(left.unwrap(), Leftovers::Committed(_)));
    let tree = lab.sh(&lab.repo(), &["ls-tree", "run/spec", "part"]);
    assert_eq!(tree, "");
}

#[tokio::test]
async fn the_users_exclude_file_keeps_its_mode_and_a_link_stays_a_link() {
    let (lab, repo, _) = with_worktree().await;
    let file = repo.common_dir.join("info/exclude");
    let (own, mode) = (lab.at("excluded"), fs::Permissions::from_mode(0o640));
    fs::write(&own, "mine\n").unwrap();
    fs::set_permissions(&own, mode).unwrap();
    fs::remove_file(&file).unwrap();
    symlink(&own, &file).unwrap();
    assert!(exclude_line(&repo, "/logs/").await.unwrap());
    assert_eq!(fs::read_to_string(&own).unwrap(), "mine\n/logs/\n");
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    let now = fs::metadata(&own).unwrap().permissions().mode();
    assert_eq!(now & 0o777, 0o640);
    for no_pattern in ["", " ", "# a remark", "!/logs/", "a\rb"] {
        let refused = exclude_line(&repo, no_pattern).await;
        assert!(refused.is_err(), "{no_pattern:?}");
    }
}
