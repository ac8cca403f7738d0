//! What the repository's configuration says changes nothing about what loopd does.

use std::fs;

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, Leftovers, Repo, Worktree, catch_up, commit_leftovers, prepare_worktree,
};

use super::{Lab, executable, ready, want};

/// A run and its target that both have changed the end of `f`, under these attributes.
async fn both_changed(attributes: &str) -> (Lab, Repo, Worktree) {
    let lab = Lab::new().await;
    fs::write(lab.repo().join(".gitattributes"), attributes).unwrap();
    lab.commit(&lab.repo(), "attributes");
    let repo = lab.open().await;
    let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    fs::write(worktree.path.join("f"), "one\nours\n").unwrap();
    lab.commit(&worktree.path, "ours");
    fs::write(lab.repo().join("f"), "one\ntheirs\n").unwrap();
    lab.commit(&lab.repo(), "theirs");
    (lab, repo, worktree)
}

async fn caught_up(lab: &Lab, repo: &Repo, worktree: &Worktree) -> CatchUp {
    let wish = CatchUpWant {
        worktree,
        from: &lab.id(&lab.repo(), "run/spec"),
        target_branch: "main",
    };
    catch_up(repo, &wish).await.unwrap()
}

#[tokio::test]
async fn a_merge_driver_that_came_after_the_start_is_a_conflict_and_does_not_run() {
    let (lab, repo, worktree) = both_changed("f merge=mine\n").await;
    let trap = lab.at("trap");
    executable(
        &trap,
        &format!("#!/bin/sh\ntouch '{}'\n", lab.at("sprung").display()),
    );
    lab.sh(
        &worktree.path,
        &["config", "merge.mine.driver", trap.to_str().unwrap()],
    );
    let outcome = caught_up(&lab, &repo, &worktree).await;
    let files = vec!["f".into()];
    assert_eq!(outcome, CatchUp::Conflict { files });
    assert!(!lab.at("sprung").exists());
}

#[tokio::test]
async fn attributes_are_those_of_the_run_branch() {
    let (lab, repo, worktree) = both_changed("f merge=union\n").await;
    let outcome = caught_up(&lab, &repo, &worktree).await;
    assert!(matches!(outcome, CatchUp::Done(_)), "{outcome:?}");
    let file = fs::read_to_string(worktree.path.join("f")).unwrap();
    assert!(file.contains("ours") && file.contains("theirs"), "{file}");
}

#[tokio::test]
async fn leftovers_are_committed_whatever_line_ends_and_encodings_are_asked_for() {
    let (lab, repo, worktree) = super::with_worktree().await;
    for (key, value) in [
        ("core.autocrlf", "input"),
        ("core.safecrlf", "true"),
        ("i18n.commitEncoding", "ISO-8859-1"),
    ] {
        lab.sh(&worktree.path, &["config", key, value]);
    }
    fs::write(worktree.path.join("mixed"), "one\r\ntwo\n").unwrap();
    let left = commit_leftovers(&repo, &worktree, "Größe", &[], &[]).await;
    let Leftovers::Committed(commit) = left.unwrap() else {
        panic!("nothing was committed")
    };
    let raw = lab.sh(&lab.repo(), &["cat-file", "commit", commit.as_str()]);
    assert!(
        raw.contains("\n\nGröße\n") && !raw.contains("encoding"),
        "{raw}"
    );
}

#[tokio::test]
async fn git_does_not_start_in_a_submodule_to_make_it_follow() {
    let (lab, repo, worktree) = super::with_worktree().await;
    let library = lab.start("library");
    let from = library.to_str().unwrap();
    let local = ["-c", "protocol.file.allow=always", "submodule"];
    let add = [&local[..], &["add", "-q", from, "part"]].concat();
    lab.sh(&lab.repo(), &add);
    lab.commit(&lab.repo(), "with a submodule");
    let first = lab.id(&library, "HEAD");
    let up = ["merge", "-q", "--ff-only", "main"];
    lab.sh(&worktree.path, &up);
    let init = [&local[..], &["update", "-q", "--init"]].concat();
    lab.sh(&worktree.path, &init);
    fs::write(library.join("f"), "two\n").unwrap();
    lab.commit(&library, "second");
    lab.sh(&worktree.path.join("part"), &["fetch", "-q"]);
    lab.sh(&lab.repo().join("part"), &["pull", "-q"]);
    lab.commit(&lab.repo(), "the submodule moves");
    lab.sh(&worktree.path, &["config", "submodule.recurse", "true"]);
    let outcome = caught_up(&lab, &repo, &worktree).await;
    assert!(matches!(outcome, CatchUp::Done(_)), "{outcome:?}");
    assert_eq!(lab.id(&worktree.path.join("part"), "HEAD"), first);
}
