//! Marked commits: leftovers, the plan, and what counts as a change.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path, path::PathBuf};

use agent_loop::effect::git::{
    FileCommit, GitErrorKind, Leftovers, Oid, Repo, Worktree, changed_tracked, commit_file,
    commit_leftovers, commits_between, drop_stale_locks, head, prepare_worktree,
};

use super::{Lab, want, with_worktree};

pub(super) async fn left(repo: &Repo, worktree: &Worktree) -> Oid {
    match commit_leftovers(
        repo,
        worktree,
        "Take what is left",
        &[("Loopd-Step", "s1")],
        &[],
    )
    .await
    .unwrap()
    {
        Leftovers::Committed(commit) => commit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_that_is_not_ignored_becomes_one_marked_commit_and_the_index_agrees() {
    let (lab, repo, worktree) = with_worktree().await;
    let at = &worktree.path;
    fs::remove_file(at.join("f")).unwrap();
    fs::create_dir(at.join("f")).unwrap();
    fs::write(at.join("f/below"), "file to directory\n").unwrap();
    fs::write(at.join("debug.log"), "ignored\n").unwrap();
    let odd = PathBuf::from(OsString::from_vec(b"new\nline \xff".to_vec()));
    fs::write(at.join(&odd), "odd\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at.join("link")).unwrap();
    fs::write(at.join("staged"), "staged\n").unwrap();
    lab.sh(at, &["add", "staged"]);
    let commit = left(&repo, &worktree).await;
    assert_eq!(head(&repo, &worktree).await.unwrap().commit, commit);
    assert_eq!(lab.sh(at, &["status", "--porcelain"]), "");
    let made = commits_between(&repo, &worktree.base_commit, &commit, 10)
        .await
        .unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].subject(), "Take what is left");
    assert_eq!(made[0].trailer("Loopd-Run"), Some("r1"));
    assert_eq!(made[0].trailer("Loopd-Kind"), Some("leftovers"));
    assert_eq!(made[0].trailer("Loopd-Step"), Some("s1"));
    let files = agent_loop::effect::git::changed_paths(&repo, &worktree.base_commit, &commit)
        .await
        .unwrap();
    assert_eq!(
        files,
        [
            PathBuf::from("f"),
            "f/below".into(),
            "link".into(),
            odd,
            "staged".into()
        ]
    );
    let again = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap();
    assert_eq!(again, Leftovers::Nothing);
}

#[tokio::test]
async fn a_machine_without_an_author_gets_its_commits_made() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&lab.repo(), &["config", "--unset", "user.name"]);
    lab.sh(&lab.repo(), &["config", "--unset", "user.email"]);
    fs::write(worktree.path.join("new"), "").unwrap();
    let commit = left(&repo, &worktree).await;
    assert_eq!(
        lab.sh(
            &lab.repo(),
            &["log", "-1", "--format=%an %ae", commit.as_str()]
        ),
        "loopd loopd@localhost"
    );
}

#[tokio::test]
async fn a_worktree_that_left_its_branch_is_held_and_not_committed() {
    let (lab, repo, worktree) = with_worktree().await;
    let tip = head(&repo, &worktree).await.unwrap();
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    fs::write(worktree.path.join("new"), "").unwrap();
    let outcome = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap();
    assert!(
        matches!(&outcome, Leftovers::Held { why } if why.contains("on no branch")),
        "{outcome:?}"
    );
    assert_eq!(head(&repo, &worktree).await.unwrap(), tip);
    assert!(worktree.path.join("new").exists());
}

#[tokio::test]
async fn a_lock_that_was_left_behind_is_transient_until_it_is_dropped() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("new"), "").unwrap();
    let lock = repo.common_dir.join("worktrees/wt.run-spec/index.lock");
    fs::write(&lock, "").unwrap();
    let error = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient);
    assert!(error.said.contains("index.lock"), "{error}");
    assert_eq!(drop_stale_locks(&repo, &worktree).await.unwrap(), [lock]);
    left(&repo, &worktree).await;
    let refs = repo.common_dir.join("refs/heads/run/spec.lock");
    fs::write(&refs, "").unwrap();
    fs::write(worktree.path.join("more"), "").unwrap();
    let error = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    // Somebody may hold it as long as a git lives anywhere in the repository.
    let opened = Repo::open(&lab.git, &repo.common_dir).await.unwrap();
    for place in [&worktree.path, &repo.common_dir, &lab.repo()] {
        let mut git = lab.waiting_git(place);
        let dropped = drop_stale_locks(&opened, &worktree).await.unwrap();
        assert_eq!(dropped, [] as [std::path::PathBuf; 0], "{place:?}");
        git.kill().unwrap();
        git.wait().unwrap();
    }
    assert_eq!(drop_stale_locks(&repo, &worktree).await.unwrap(), [refs]);
    left(&repo, &worktree).await;
}

#[tokio::test]
async fn a_lock_in_a_bare_repository_stays_while_a_git_works_in_there() {
    let lab = Lab::new().await;
    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = lab.at("bare.git");
    let repo = Repo::open(&lab.git, &bare).await.unwrap();
    let worktree = super::ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    let lock = bare.join("refs/heads/run/spec.lock");
    fs::write(&lock, "").unwrap();
    let mut git = lab.waiting_git(&bare);
    let none: [std::path::PathBuf; 0] = [];
    assert_eq!(drop_stale_locks(&repo, &worktree).await.unwrap(), none);
    git.kill().unwrap();
    git.wait().unwrap();
    assert_eq!(drop_stale_locks(&repo, &worktree).await.unwrap(), [lock]);
}

#[tokio::test]
async fn a_resolved_merge_is_concluded_and_one_with_open_conflicts_is_not() {
    let (lab, repo, worktree) = with_worktree().await;
    let at = &worktree.path;
    fs::write(lab.repo().join("f"), "theirs\n").unwrap();
    let theirs = lab.commit(&lab.repo(), "theirs");
    fs::write(at.join("f"), "ours\n").unwrap();
    let ours = lab.commit(at, "ours");
    assert!(!lab.git(at, &["merge", "-q", "main"]).0);
    let open = left(&repo, &worktree).await;
    let made = commits_between(&repo, &ours, &open, 10).await.unwrap();
    assert_eq!(made.last().unwrap().parents, std::slice::from_ref(&ours));
    assert_eq!(lab.sh(at, &["status", "--porcelain"]), "");

    lab.sh(at, &["reset", "-q", "--hard", ours.as_str()]);
    assert!(!lab.git(at, &["merge", "-q", "main"]).0);
    fs::write(at.join("f"), "both\n").unwrap();
    lab.sh(at, &["add", "f"]);
    let merged = left(&repo, &worktree).await;
    let parents = lab.sh(&lab.repo(), &["log", "-1", "--format=%P", merged.as_str()]);
    assert_eq!(parents, format!("{ours} {theirs}"));
    assert!(!lab.sh(at, &["status"]).contains("merging"));
}

#[tokio::test]
async fn the_plan_commit_changes_one_file_and_a_repeat_changes_nothing() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("other"), "unfinished\n").unwrap();
    let plan = Path::new("f");
    let commit = match commit_file(&repo, &worktree, plan, b"ticked\n", "Tick a box")
        .await
        .unwrap()
    {
        FileCommit::Committed(commit) => commit,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "ticked\n"
    );
    assert_eq!(
        lab.sh(&worktree.path, &["status", "--porcelain"]),
        "?? other"
    );
    assert_eq!(
        lab.sh(
            &lab.repo(),
            &["show", "--name-only", "--format=", commit.as_str()]
        ),
        "f"
    );
    let again = commit_file(&repo, &worktree, plan, b"ticked\n", "Tick a box")
        .await
        .unwrap();
    assert_eq!(again, FileCommit::Unchanged);
    // A crash after the file and before the ref.
    fs::write(worktree.path.join("f"), "next\n").unwrap();
    let next = commit_file(&repo, &worktree, plan, b"next\n", "Tick a box")
        .await
        .unwrap();
    assert!(matches!(next, FileCommit::Committed(_)), "{next:?}");
    assert_eq!(
        lab.sh(&worktree.path, &["status", "--porcelain"]),
        "?? other"
    );
    // An edit of the agent's is not overwritten.
    fs::write(worktree.path.join("f"), "the agent's\n").unwrap();
    let tip = head(&repo, &worktree).await.unwrap();
    let held = commit_file(&repo, &worktree, plan, b"last\n", "Tick a box")
        .await
        .unwrap();
    assert!(matches!(held, FileCommit::Held { .. }), "{held:?}");
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "the agent's\n"
    );
    assert_eq!(head(&repo, &worktree).await.unwrap(), tip);
    assert!(
        commit_file(&repo, &worktree, Path::new(".git/config"), b"", "x")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn changed_tracked_files_are_named_whatever_flag_the_index_of_the_worktree_has() {
    let (lab, repo, worktree) = with_worktree().await;
    assert_eq!(
        changed_tracked(&repo, &worktree).await.unwrap(),
        Vec::<PathBuf>::new()
    );
    fs::write(worktree.path.join("build.o"), "").unwrap();
    assert_eq!(
        changed_tracked(&repo, &worktree).await.unwrap(),
        Vec::<PathBuf>::new()
    );
    lab.sh(&worktree.path, &["update-index", "--assume-unchanged", "f"]);
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    fs::remove_file(worktree.path.join(".gitignore")).unwrap();
    let changed = changed_tracked(&repo, &worktree).await.unwrap();
    assert_eq!(changed, [PathBuf::from(".gitignore"), "f".into()]);
}
