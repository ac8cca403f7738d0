//! A repository is found by whatever path leads into it, with its default branch; what is none, or is damaged, gone or
//! somebody else's, is said as such. How git is called is tried in `run`.

use std::{fs, path::Path};

use agent_loop::effect::git::{GitErrorKind, Repo, default_base, show};

use super::Lab;
use crate::support::not_tried;

#[tokio::test]
async fn every_path_into_a_repository_gives_one_common_directory() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    fs::create_dir_all(lab.repo().join("sub/dir")).unwrap();
    std::os::unix::fs::symlink(lab.repo(), lab.at("link")).unwrap();
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine"]);
    for way in [
        "repo/sub/dir",
        "link",
        "link/sub",
        "mine",
        "repo/.git",
        "repo/f",
    ] {
        let other = Repo::open(&lab.git, &lab.at(way)).await.unwrap();
        assert_eq!(other.common_dir, repo.common_dir, "{way}");
        assert!(!other.bare);
        assert_eq!(other.primary().await.unwrap(), Some(lab.repo()), "{way}");
    }
    assert_eq!(repo.toplevel, Some(lab.repo()));
    assert_eq!(
        Repo::open(&lab.git, &lab.at("mine"))
            .await
            .unwrap()
            .toplevel,
        Some(lab.at("mine"))
    );
}

#[tokio::test]
async fn a_path_with_a_newline_and_a_space_is_opened() {
    let lab = Lab::new().await;
    let place = lab.start("a b\nc");
    let repo = Repo::open(&lab.git, &place).await.unwrap();
    assert_eq!(repo.common_dir, place.join(".git"));
    assert_eq!(repo.toplevel, Some(place));
}

#[tokio::test]
async fn bare_and_shallow_repositories_say_so() {
    let lab = Lab::new().await;
    lab.commit(&lab.repo(), "second");
    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let url = format!("file://{}", lab.repo().display());
    lab.sh(&lab.at(""), &["clone", "-q", "--depth=1", &url, "shallow"]);
    let bare = Repo::open(&lab.git, &lab.at("bare.git")).await.unwrap();
    assert!(bare.bare && bare.toplevel.is_none() && !bare.shallow);
    let shallow = Repo::open(&lab.git, &lab.at("shallow")).await.unwrap();
    assert!(shallow.shallow && !shallow.bare);
}

#[tokio::test]
async fn what_is_no_repository_is_refused_by_name() {
    let lab = Lab::new().await;
    fs::create_dir(lab.at("plain")).unwrap();
    for (way, says) in [
        ("plain", "in no git repository"),
        ("nowhere", "No such file"),
    ] {
        let error = Repo::open(&lab.git, &lab.at(way)).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::MissingRepo);
        assert!(
            error.said.contains(says) && error.tried.contains(way),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_repository_is_told_as_such_and_nobody_is_advised_to_begin_another_there() {
    let lab = Lab::new().await;
    fs::write(lab.repo().join(".git/HEAD"), "nonsense").unwrap();
    fs::create_dir(lab.repo().join("deep")).unwrap();
    for way in ["repo", "repo/.git", "repo/deep"] {
        let error = Repo::open(&lab.git, &lab.at(way)).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::MissingRepo);
        assert!(error.said.contains("repo/.git for a repository"), "{error}");
        assert!(error.said.contains("damaged; restore them"), "{error}");
        assert!(!error.said.contains("git init"), "{error}");
    }
}

#[tokio::test]
async fn a_repository_that_goes_while_it_is_worked_with_is_named_and_not_only_gits_command() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let tip = lab.id(&lab.repo(), "main");
    let git_dir = lab.repo().join(".git");
    fs::rename(git_dir.join("HEAD"), lab.at("HEAD")).unwrap();
    let damaged = show(&repo, &tip, Path::new("f")).await.unwrap_err();
    fs::rename(lab.repo(), lab.at("moved")).unwrap();
    let moved = show(&repo, &tip, Path::new("f")).await.unwrap_err();
    for error in [damaged, moved] {
        assert_eq!(error.kind, GitErrorKind::MissingRepo, "{error}");
        let named = format!("find the repository {}", git_dir.display());
        assert_eq!(error.tried, named);
        assert!(error.said.contains("put it back"), "{error}");
    }
}

#[tokio::test]
async fn a_repository_of_another_user_is_said_with_how_it_is_trusted() {
    if !rustix::process::geteuid().is_root() {
        return not_tried(
            "a repository of another user",
            "only root can give one away",
        );
    }
    let lab = Lab::new().await;
    std::os::unix::fs::chown(lab.repo(), Some(1234), None).unwrap();
    std::os::unix::fs::chown(lab.repo().join(".git"), Some(1234), None).unwrap();
    let error = Repo::open(&lab.git, &lab.repo()).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Permanent);
    assert!(error.said.contains("belongs to another user"), "{error}");
    let trust = format!("--add safe.directory {}", lab.repo().display());
    assert!(error.said.contains(&trust), "{error}");
    assert!(error.tried.contains("open the repository at"), "{error}");
}

#[tokio::test]
async fn the_default_branch_is_the_remotes_then_the_usual_then_the_checked_out_one() {
    let lab = Lab::new().await;
    let place = lab.repo();
    lab.sh(&place, &["switch", "-q", "-c", "topic"]);
    let repo = lab.open().await;
    assert_eq!(default_base(&repo).await.unwrap().branch, "main");
    lab.sh(&place, &["branch", "trunk"]);
    lab.sh(&place, &["config", "init.defaultBranch", "trunk"]);
    assert_eq!(default_base(&repo).await.unwrap().branch, "trunk");
    lab.sh(&place, &["update-ref", "refs/remotes/origin/dev", "HEAD"]);
    lab.sh(
        &place,
        &[
            "symbolic-ref",
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/dev",
        ],
    );
    assert_eq!(default_base(&repo).await.unwrap().branch, "origin/dev");
    lab.sh(&place, &["branch", "dev"]);
    assert_eq!(default_base(&repo).await.unwrap().branch, "dev");
    for gone in ["main", "trunk", "dev"] {
        lab.sh(&place, &["branch", "-q", "-D", gone]);
    }
    lab.sh(&place, &["symbolic-ref", "-d", "refs/remotes/origin/HEAD"]);
    assert_eq!(default_base(&repo).await.unwrap().branch, "topic");
}

#[tokio::test]
async fn an_empty_repository_has_no_base_and_says_what_to_do() {
    let lab = Lab::new().await;
    fs::create_dir(lab.at("empty")).unwrap();
    lab.sh(&lab.at("empty"), &["init", "-q"]);
    let repo = Repo::open(&lab.git, &lab.at("empty")).await.unwrap();
    let error = default_base(&repo).await.unwrap_err();
    assert!(
        error.said.contains("no commit yet; make a first one"),
        "{error}"
    );
}
