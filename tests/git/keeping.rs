//! What a worktree may hold that nobody else has: each keeps it, or is kept by a rescue ref before it goes.

use std::{fs, os::unix::fs::symlink};

use agent_loop::crash::Place;
use agent_loop::effect::git::{Removal, Repo, prepare_worktree, remove_worktree, rescue_at};

use super::{GONE, Lab, kept, ready, want, with_worktree};

#[tokio::test]
async fn submodules_with_histories_of_their_own_are_kept_although_their_files_are_gone() {
    let (lab, repo, worktree) = with_worktree().await;
    let at = &worktree.path;
    let library = lab.start("library");
    let from = library.to_str().unwrap();
    let local = ["-c", "protocol.file.allow=always", "submodule"];
    lab.sh(at, &[&local[..], &["add", "-q", from, "part"]].concat());
    lab.commit(at, "add a submodule");
    lab.sh(&at.join("part"), &["config", "user.email", "a@b"]);
    lab.sh(&at.join("part"), &["config", "user.name", "a"]);
    lab.commit(&at.join("part"), "nowhere else");
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("histories of their own")
    );
    lab.sh(at, &["submodule", "deinit", "-q", "--force", "part"]);
    let why = kept(&repo, &worktree).await;
    assert!(why.contains("histories of their own"), "{why}");
    fs::remove_dir_all(repo.common_dir.join("worktrees/wt.run-spec/modules")).unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn whatever_git_is_in_the_middle_of_keeps_the_worktree() {
    let (lab, repo, worktree) = with_worktree().await;
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    for state in [
        "rebase-merge",
        "rebase-apply",
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "BISECT_LOG",
    ] {
        fs::write(admin.join(state), "").unwrap();
        let why = kept(&repo, &worktree).await;
        assert!(
            why.contains("in the middle") && why.contains(state),
            "{why}"
        );
        fs::remove_file(admin.join(state)).unwrap();
    }
    lab.sh(&worktree.path, &["switch", "-q", "--orphan", "fresh"]);
    assert!(kept(&repo, &worktree).await.contains("leads to no commit"));
}

#[tokio::test]
async fn a_link_and_a_worktree_inside_are_no_ignored_files() {
    let (lab, repo, worktree) = with_worktree().await;
    let outside = lab.at("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x.log"), "of somebody's\n").unwrap();
    symlink(&outside, worktree.path.join("link")).unwrap();
    let why = kept(&repo, &worktree).await;
    assert!(why.contains("no commit has: link"), "{why}");
    fs::remove_file(worktree.path.join("link")).unwrap();
    let inner = worktree.path.join("x.log/inner");
    fs::create_dir(worktree.path.join("x.log")).unwrap();
    let args = [
        "worktree",
        "add",
        "-q",
        inner.to_str().unwrap(),
        "-b",
        "side",
    ];
    lab.sh(&worktree.path, &args);
    let why = kept(&repo, &worktree).await;
    assert!(
        why.contains("a repository of its own: x.log/inner"),
        "{why}"
    );
    assert!(outside.join("x.log").exists());
}

#[tokio::test]
async fn no_rule_of_this_machine_makes_a_file_disposable() {
    let (lab, repo, worktree) = with_worktree().await;
    let home = lab.at("home");
    fs::write(home.join(".gitignore_global"), "mine\n").unwrap();
    fs::create_dir_all(home.join("template/info")).unwrap();
    fs::write(home.join("template/info/exclude"), "also\n").unwrap();
    let own = lab.at("");
    let ignore = home.join(".gitignore_global");
    for (key, value) in [
        ("core.excludesFile", &ignore),
        ("init.templateDir", &home.join("template")),
    ] {
        lab.sh(&own, &["config", "--global", key, value.to_str().unwrap()]);
    }
    for name in ["mine", "also"] {
        fs::write(worktree.path.join(name), "").unwrap();
        let why = kept(&repo, &worktree).await;
        assert!(why.contains(&format!("no commit has: {name}")), "{why}");
        fs::remove_file(worktree.path.join(name)).unwrap();
    }
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn rules_count_in_the_directories_that_have_them_and_a_link_is_no_rule() {
    let lab = Lab::new().await;
    for dir in ["deep/er", "sub"] {
        fs::create_dir_all(lab.repo().join(dir)).unwrap();
    }
    fs::write(lab.repo().join("deep/er/.gitignore"), "*.tmp\n").unwrap();
    symlink("secret", lab.repo().join("sub/.gitignore")).unwrap();
    lab.commit(&lab.repo(), "rules");
    let repo = lab.open().await;
    let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    fs::write(worktree.path.join("deep/er/x.tmp"), "").unwrap();
    fs::write(worktree.path.join("sub/secret"), "").unwrap();
    let why = kept(&repo, &worktree).await;
    assert!(why.ends_with("no commit has: sub/secret"), "{why}");
    fs::rename(
        worktree.path.join("sub/secret"),
        worktree.path.join("deep/x.tmp"),
    )
    .unwrap();
    let why = kept(&repo, &worktree).await;
    assert!(why.ends_with("no commit has: deep/x.tmp"), "{why}");
    fs::remove_file(worktree.path.join("deep/x.tmp")).unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn what_only_a_copy_of_a_remote_branch_has_gets_a_rescue_ref_before_the_worktree_goes() {
    let (lab, _, worktree) = with_worktree().await;
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    let lost = lab.commit(&worktree.path, "on no branch");
    // The next fetch may prune it.
    let copy = ["update-ref", "refs/remotes/origin/x", lost.as_str()];
    lab.sh(&lab.repo(), &copy);
    let (dying, crash) = lab.dying(Place::Called, "worktree", 1);
    let repo = Repo::open(&dying, &lab.repo()).await.unwrap();
    tokio::select! {
        it = remove_worktree(&repo, &worktree) => panic!("it did not die: {it:?}"),
        () = crash.died() => {}
    }
    assert!(!worktree.path.exists(), "it has gone");
    assert_eq!(lab.id(&lab.repo(), "refs/loopd/rescue/r1"), lost);
}

#[tokio::test]
async fn a_worktree_that_says_it_belongs_to_another_repository_is_looked_at_as_the_runs() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    lab.commit(&worktree.path, "on no branch");
    let evil = lab.start("evil");
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    fs::write(
        admin.join("commondir"),
        format!("{}/.git\n", evil.display()),
    )
    .unwrap();
    let rescue = Some("refs/loopd/rescue/r1".to_owned());
    assert_eq!(
        remove_worktree(&repo, &worktree).await.unwrap(),
        Removal::Removed { rescue }
    );
}

#[tokio::test]
async fn the_rescue_ref_of_a_commit_is_told_from_others() {
    let (lab, repo, _) = with_worktree().await;
    let place = lab.repo();
    let (one, other) = (lab.commit(&place, "one"), lab.commit(&place, "other"));
    for (name, at) in [("r1", "main~2"), ("r1-2", "main~1"), ("r10", "main")] {
        let name = format!("refs/loopd/rescue/{name}");
        lab.sh(&place, &["update-ref", &name, at]);
    }
    let found = rescue_at(&repo, "r1", &one).await.unwrap();
    assert_eq!(found.as_deref(), Some("refs/loopd/rescue/r1-2"));
    assert_eq!(rescue_at(&repo, "r1", &other).await.unwrap(), None);
}
