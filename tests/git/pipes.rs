//! Pipes in the places of files: nobody writes into them, so whoever opened one would wait for ever. What an agent has
//! configured to be run is in `hostile`.

use std::{fs, path::Path};

use agent_loop::effect::git::{
    GitErrorKind, Leftovers, Strategy, changed_tracked, commit_leftovers, head, plan_merge,
    prepare_worktree, remove_worktree, untracked,
};

use super::{merge_want, want, with_worktree};

/// Whoever works in a worktree can put a pipe that nobody writes to into the place of each of these.
const READ_BY_LOOPD: [&str; 6] = [
    "gitdir",
    "loopd",
    "MERGE_HEAD",
    "logs/HEAD",
    "rebase-merge/head-name",
    "BISECT_START",
];

#[test]
fn pipes_in_the_places_of_gits_own_files_are_not_waited_for() {
    let (done, wait) = std::sync::mpsc::channel();
    // What waits for such a pipe holds its thread for ever.
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            for name in READ_BY_LOOPD {
                let (_lab, repo, worktree) = with_worktree().await;
                let admin = repo.common_dir.join("worktrees/wt.run-spec");
                into_a_pipe(&admin.join(name));
                let _ = changed_tracked(&repo, &worktree).await;
                let _ = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
                let _ = head(&repo, &worktree).await;
                let verified = head(&repo, &worktree).await.unwrap();
                let want = merge_want(&worktree, &verified, Strategy::Squash);
                let _ = plan_merge(&repo, &want).await;
                done.send(name).unwrap();
            }
            let (_lab, repo, worktree) = with_worktree().await;
            into_a_pipe(&worktree.path.join(".git"));
            let said = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
            assert!(matches!(said, Ok(Leftovers::Held { .. })), "{said:?}");
            let _ = prepare_worktree(&repo, &want("r1")).await;
            let _ = remove_worktree(&repo, &worktree).await;
            let (_lab, repo, worktree) = with_worktree().await;
            into_a_pipe(&worktree.path.join("new/.gitattributes"));
            for look in [
                changed_tracked(&repo, &worktree).await,
                untracked(&repo, &worktree).await,
            ] {
                let error = look.unwrap_err();
                assert_eq!(error.kind, GitErrorKind::Held, "{error}");
            }
            let said = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
            assert!(matches!(said, Ok(Leftovers::Held { .. })), "{said:?}");
            done.send(".git").unwrap();
        });
    });
    for name in READ_BY_LOOPD.iter().chain(&[".git"]) {
        let looked = wait.recv_timeout(crate::support::PATIENCE);
        assert_eq!(looked.as_ref(), Ok(name), "a pipe for {name} is waited for");
    }
}

fn into_a_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_tracked_file_is_a_file_that_is_gone() {
    let (lab, repo, worktree) = with_worktree().await;
    into_a_pipe(&worktree.path.join("f"));
    let left = commit_leftovers(&repo, &worktree, "x", &[], &[]).await;
    assert!(matches!(left, Ok(Leftovers::Committed(_))), "{left:?}");
    let held = lab.sh(&lab.repo(), &["ls-tree", "--name-only", "run/spec"]);
    assert_eq!(held, ".gitignore");
}
