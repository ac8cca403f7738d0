//! What the repository's configuration says changes nothing about what loopd does.

use std::{fs, path::Path};

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, Executed, FileCommit, Leftovers, Repo, Worktree, author_fallback,
    catch_up, commit_file, commit_leftovers, execute, prepare_worktree,
};

use super::{Lab, executable, into_main, ready, want, with_worktree};

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

#[tokio::test]
async fn what_is_configured_for_checkouts_leaves_those_of_runs_whole() {
    let (lab, repo, worktree) = with_worktree().await;
    let (place, at) = (lab.repo(), &worktree.path);
    fs::create_dir_all(repo.common_dir.join("info")).unwrap();
    fs::write(repo.common_dir.join("info/sparse-checkout"), "/f\n").unwrap();
    for key in ["core.sparseCheckout", "core.splitIndex", "core.ignoreStat"] {
        lab.sh(&place, &["config", key, "true"]);
    }
    let new = Path::new("deep/plan");
    let made = commit_file(&repo, &worktree, new, b"plan\n", "x").await;
    assert!(matches!(made, Ok(FileCommit::Committed(_))), "{made:?}");
    assert_eq!(fs::read_to_string(at.join(new)).unwrap(), "plan\n");
    fs::write(at.join("more"), "more\n").unwrap();
    let left = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
    assert!(matches!(left, Ok(Leftovers::Committed(_))), "{left:?}");
    for key in ["core.sparseCheckout", "core.splitIndex", "core.ignoreStat"] {
        lab.sh(&place, &["config", "--unset", key]);
    }
    // Nothing is taken for unchanged without a look, and no part of the index lies with the user's.
    let files = lab.sh(at, &["ls-files", "-v"]);
    assert_eq!(files, "H .gitignore\nH deep/plan\nH f\nH more");
    assert_eq!(lab.sh(at, &["status", "--porcelain"]), "");
    let entries = fs::read_dir(&repo.common_dir).unwrap();
    let mut names = entries.map(|it| it.unwrap().file_name());
    let shared = names.find(|it| it.to_string_lossy().starts_with("sharedindex"));
    assert_eq!(shared, None);
}

/// Blobs of these are kept in the one directory of objects by which git judges whether there are too many.
const COUNTED: [&str; 3] = ["263\n", "410\n", "523\n"];

#[tokio::test]
async fn a_merge_begins_no_upkeep_of_the_repository() {
    let (lab, repo, worktree) = with_worktree().await;
    let (place, at) = (lab.repo(), &worktree.path);
    for text in COUNTED {
        fs::write(at.join(text.trim()), text).unwrap();
    }
    lab.commit(at, "work");
    for (key, value) in [("gc.auto", "1"), ("gc.autoDetach", "false")] {
        lab.sh(&place, &["config", key, value]);
    }
    let packs = || {
        let dir = repo.common_dir.join("objects/pack");
        fs::read_dir(dir).map_or(0, |entries| entries.count())
    };
    let intent = into_main(&repo, &worktree).await;
    let merged = execute(&repo, &intent, &worktree.drivers).await.unwrap();
    assert!(matches!(merged, Executed::Merged { .. }), "{merged:?}");
    assert_eq!(packs(), 0);
    lab.sh(&place, &["switch", "-q", "-c", "mine", "main~1"]);
    lab.sh(&place, &["merge", "-q", "--ff-only", "main"]);
    assert!(packs() > 0, "a person's own does");
}

#[tokio::test]
async fn an_author_is_made_up_only_as_far_as_nobody_is_named() {
    let (lab, repo, worktree) = with_worktree().await;
    let place = lab.repo();
    let home = ("HOME".into(), lab.at("home").into_os_string());
    let made_up = async |more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| (name.into(), value.into()));
        let env: Vec<_> = std::iter::once(home.clone()).chain(more).collect();
        let found = author_fallback(&repo, &worktree, &env).await.unwrap();
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(made_up(&[]).await, [""; 0]);
    lab.sh(&place, &["config", "user.name", ""]);
    let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"];
    assert_eq!(made_up(&[]).await, names);
    assert_eq!(made_up(&[("GIT_AUTHOR_NAME", "Eve")]).await, names[1..]);
    lab.sh(&place, &["config", "--global", "user.name", "Ada"]);
    assert_eq!(
        made_up(&[]).await,
        names,
        "the repository's own word counts"
    );
    lab.sh(&place, &["config", "--unset", "user.name"]);
    assert_eq!(made_up(&[]).await, [""; 0]);
}
