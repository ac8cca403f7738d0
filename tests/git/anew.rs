//! Checks run on what a checkout of the tip gives, also where attributes convert on the way.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use agent_loop::effect::git::{
    Repo, Worktree, changed_tracked, check_out_anew, head, prepare_worktree,
};

use super::{Lab, executable, ready, want, with_worktree};

/// What is written anew, after this has been committed in the worktree.
async fn anew(lab: &Lab, repo: &Repo, worktree: &Worktree, files: &[(&str, &str)]) -> Vec<PathBuf> {
    for (name, text) in files {
        fs::write(worktree.path.join(name), text).unwrap();
    }
    lab.commit(&worktree.path, "work");
    check(repo, worktree).await
}

async fn check(repo: &Repo, worktree: &Worktree) -> Vec<PathBuf> {
    let tip = head(repo, worktree).await.unwrap();
    let written = check_out_anew(repo, worktree, &worktree.start_commit, &tip).await;
    written.unwrap()
}

fn read(worktree: &Worktree, name: &str) -> String {
    String::from_utf8_lossy(&fs::read(worktree.path.join(name)).unwrap()).into_owned()
}

#[tokio::test]
async fn line_ends_keywords_and_encodings_are_as_a_checkout_gives_them() {
    let (lab, repo, worktree) = with_worktree().await;
    let attributes = "*.txt eol=crlf\n*.id ident\n*.u working-tree-encoding=UTF-16LE\n";
    let files = [
        (".gitattributes", attributes),
        ("a.txt", "a\n"),
        ("b.id", "$Id$\n"),
        ("plain", "x\n"),
    ];
    fs::write(worktree.path.join("a.txt"), "").unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(worktree.path.join("a.txt"), mode).unwrap();
    let mut written = anew(&lab, &repo, &worktree, &files).await;
    written.sort();
    assert_eq!(written, ["a.txt", "b.id"].map(PathBuf::from));
    assert_eq!(read(&worktree, "a.txt"), "a\r\n");
    let meta = fs::metadata(worktree.path.join("a.txt")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o755);
    assert!(read(&worktree, "b.id").starts_with("$Id: "));
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
    // Git takes files as they were when the attribute came: committed as they are, they come out as others.
    lab.sh(
        &worktree.path,
        &["config", "core.attributesFile", "/dev/null"],
    );
    fs::write(worktree.path.join("c.u"), b"u\0\n\0").unwrap();
    assert_eq!(
        anew(&lab, &repo, &worktree, &[]).await,
        [""; 0].map(PathBuf::from)
    );
    assert_eq!(read(&worktree, "c.u"), "u\0\n\0");
    assert_eq!(check(&repo, &worktree).await, [""; 0].map(PathBuf::from));
}

#[tokio::test]
async fn a_file_that_the_run_never_touched_follows_new_attributes() {
    let (lab, repo, worktree) = with_worktree().await;
    let written = anew(
        &lab,
        &repo,
        &worktree,
        &[(".gitattributes", "f eol=crlf\n")],
    )
    .await;
    assert_eq!(written, [PathBuf::from("f")]);
    assert_eq!(read(&worktree, "f"), "one\r\n");
    assert_eq!(
        lab.sh(&worktree.path, &["diff-files"]),
        "",
        "known as unchanged"
    );
}

#[tokio::test]
async fn a_change_a_link_and_what_is_not_there_stay_as_they_are() {
    let (lab, repo, worktree) = with_worktree().await;
    let at = |name: &str| worktree.path.join(name);
    std::os::unix::fs::symlink("a.txt", at("link.txt")).unwrap();
    let files = [
        (".gitattributes", "*.txt eol=crlf\n"),
        ("a.txt", "a\n"),
        ("b.txt", "b\n"),
        ("c.txt", "c\n"),
    ];
    for (name, text) in files {
        fs::write(at(name), text).unwrap();
    }
    lab.commit(&worktree.path, "work");
    fs::write(at("a.txt"), "changed\n").unwrap();
    fs::remove_file(at("b.txt")).unwrap();
    assert_eq!(check(&repo, &worktree).await, [PathBuf::from("c.txt")]);
    assert_eq!(read(&worktree, "a.txt"), "changed\n");
    assert!(!at("b.txt").exists());
    assert!(fs::symlink_metadata(at("link.txt")).unwrap().is_symlink());
    let changed = changed_tracked(&repo, &worktree).await.unwrap();
    assert_eq!(changed, ["a.txt", "b.txt"].map(PathBuf::from));
}

#[tokio::test]
async fn what_a_filter_gives_is_not_asked_for() {
    let (lab, repo, _) = with_worktree().await;
    let program = lab.at("rot");
    executable(&program, "#!/bin/sh\ntr a-z b-za\n");
    lab.sh(
        &lab.repo(),
        &["config", "filter.rot.smudge", program.to_str().unwrap()],
    );
    let next = prepare_worktree(&repo, &want("r2")).await;
    let worktree = ready(next.unwrap());
    let files = [
        (".gitattributes", "*.txt filter=rot eol=crlf\n"),
        ("a.txt", "a\n"),
    ];
    assert_eq!(
        anew(&lab, &repo, &worktree, &files).await,
        [""; 0].map(PathBuf::from)
    );
    assert_eq!(read(&worktree, "a.txt"), "a\n");
}
