//! A run catches up with a target that moved, in its own worktree.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, Executed, MergeWant, Oid, Repo, Step, Strategy, Tip, Worktree, catch_up,
    execute, head, plan_merge,
};

use super::{Lab, merge_want, with_worktree};

async fn run(repo: &Repo, worktree: &Worktree, from: &Oid) -> CatchUp {
    catch_up(
        repo,
        &CatchUpWant {
            worktree,
            from,
            target_branch: "main",
        },
    )
    .await
    .unwrap()
}

fn done(outcome: CatchUp) -> Tip {
    match outcome {
        CatchUp::Done(tip) => tip,
        other => panic!("{other:?}"),
    }
}

/// The run changed `f`, somebody else added `theirs` and removed `old`.
async fn apart() -> (Lab, Repo, Worktree, Oid) {
    let lab = Lab::new().await;
    fs::write(lab.repo().join("old"), "old\n").unwrap();
    lab.commit(&lab.repo(), "with an old file");
    let repo = lab.open().await;
    let prepared = agent_loop::effect::git::prepare_worktree(&repo, &super::want("r1"))
        .await
        .unwrap();
    let worktree = super::ready(prepared);
    fs::write(worktree.path.join("f"), "ours\n").unwrap();
    let ours = lab.commit(&worktree.path, "ours");
    fs::write(lab.repo().join("theirs"), "theirs\n").unwrap();
    fs::remove_file(lab.repo().join("old")).unwrap();
    lab.commit(&lab.repo(), "theirs");
    (lab, repo, worktree, ours)
}

#[tokio::test]
async fn the_target_is_merged_into_the_run_and_then_the_run_into_the_target() {
    let (lab, repo, worktree, ours) = apart().await;
    let verified = head(&repo, &worktree).await.unwrap();
    let wish = MergeWant {
        target_branch: "main",
        ..merge_want(&worktree, &verified, Strategy::Squash)
    };
    let theirs = lab.id(&lab.repo(), "main");
    assert_eq!(
        plan_merge(&repo, &wish).await.unwrap(),
        Step::TargetMoved {
            target: theirs.clone()
        }
    );
    let before = lab.picture(&lab.repo());
    let tip = done(run(&repo, &worktree, &ours).await);
    assert_eq!(lab.picture(&lab.repo()), before);
    assert_eq!(head(&repo, &worktree).await.unwrap(), tip);
    let parents = lab.sh(
        &lab.repo(),
        &["log", "-1", "--format=%P", tip.commit.as_str()],
    );
    assert_eq!(parents, format!("{ours} {theirs}"));
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
    assert!(worktree.path.join("theirs").exists() && !worktree.path.join("old").exists());
    assert_eq!(run(&repo, &worktree, &tip.commit).await, CatchUp::Needless);
    let wish = MergeWant {
        verified: &tip,
        ..wish
    };
    let Step::Ready(intent) = plan_merge(&repo, &wish).await.unwrap() else {
        panic!("not ready")
    };
    assert!(matches!(
        execute(&repo, &intent, &worktree.drivers).await.unwrap(),
        Executed::Merged { .. }
    ));
    assert_eq!(lab.id(&lab.repo(), "main^{tree}"), tip.tree);
}

#[tokio::test]
async fn a_run_without_commits_of_its_own_goes_to_the_target() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(lab.repo().join("f"), "theirs\n").unwrap();
    let theirs = lab.commit(&lab.repo(), "theirs");
    let tip = done(run(&repo, &worktree, &worktree.base_commit).await);
    assert_eq!(tip.commit, theirs);
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "theirs\n"
    );
}

#[tokio::test]
async fn a_conflict_names_the_files_and_changes_nothing() {
    let (lab, repo, worktree, ours) = apart().await;
    fs::write(lab.repo().join("f"), "theirs, too\n").unwrap();
    lab.commit(&lab.repo(), "the same file");
    let before = lab.sh(&worktree.path, &["status", "--porcelain=v2", "--branch"]);
    let outcome = run(&repo, &worktree, &ours).await;
    assert_eq!(
        outcome,
        CatchUp::Conflict {
            files: vec![PathBuf::from("f")]
        }
    );
    assert_eq!(
        lab.sh(&worktree.path, &["status", "--porcelain=v2", "--branch"]),
        before
    );
    assert_eq!(head(&repo, &worktree).await.unwrap().commit, ours);
}

#[tokio::test]
async fn changes_in_the_way_hold_it() {
    let (_lab, repo, worktree, ours) = apart().await;
    fs::write(worktree.path.join("old"), "changed\n").unwrap();
    let outcome = run(&repo, &worktree, &ours).await;
    assert!(
        matches!(&outcome, CatchUp::Held { files, .. } if files == &[PathBuf::from("old")]),
        "{outcome:?}"
    );
    fs::write(worktree.path.join("old"), "old\n").unwrap();
    fs::write(worktree.path.join("theirs"), "untracked\n").unwrap();
    let outcome = run(&repo, &worktree, &ours).await;
    assert!(
        matches!(&outcome, CatchUp::Held { message, .. } if message.contains("theirs")),
        "{outcome:?}"
    );
    assert_eq!(
        fs::read_to_string(worktree.path.join("theirs")).unwrap(),
        "untracked\n"
    );
    assert_eq!(head(&repo, &worktree).await.unwrap().commit, ours);
}

#[tokio::test]
async fn a_crash_between_the_files_and_the_ref_is_finished() {
    let (lab, repo, worktree, ours) = apart().await;
    fs::write(worktree.path.join("theirs"), "theirs\n").unwrap();
    fs::remove_file(worktree.path.join("old")).unwrap();
    let tip = done(run(&repo, &worktree, &ours).await);
    assert_eq!(head(&repo, &worktree).await.unwrap(), tip);
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_branch_that_moved_and_a_worktree_that_left_it_are_not_touched() {
    let (lab, repo, worktree, ours) = apart().await;
    let late = lab.commit(&worktree.path, "late");
    assert_eq!(
        run(&repo, &worktree, &ours).await,
        CatchUp::RunBranchMoved {
            tip: Some(late.clone())
        }
    );
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    let outcome = run(&repo, &worktree, &late).await;
    assert!(
        matches!(&outcome, CatchUp::Held { message, .. } if message.contains("on no branch")),
        "{outcome:?}"
    );
    lab.sh(&worktree.path, &["switch", "-q", "run/spec"]);
    lab.sh(&lab.repo(), &["switch", "-q", "--orphan", "fresh"]);
    lab.commit(&lab.repo(), "unrelated");
    let want = CatchUpWant {
        worktree: &worktree,
        from: &late,
        target_branch: "fresh",
    };
    let outcome = catch_up(&repo, &want).await.unwrap();
    assert!(
        matches!(&outcome, CatchUp::Held { message, .. } if message.contains("no history")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_change_in_a_file_that_the_target_has_removed_is_in_the_way() {
    let (lab, repo, worktree, from) = apart().await;
    // Nothing else has come.
    lab.sh(&lab.repo(), &["rm", "-q", "theirs"]);
    lab.commit(&lab.repo(), "only removed");
    fs::write(worktree.path.join("old"), "ours, and not committed\n").unwrap();
    let held = run(&repo, &worktree, &from).await;
    let CatchUp::Held { files, message } = held else {
        panic!("{held:?}")
    };
    assert_eq!(files, [PathBuf::from("old")], "{message}");
    assert_eq!(lab.id(&lab.repo(), "run/spec"), from);
    let old = fs::read_to_string(worktree.path.join("old")).unwrap();
    assert_eq!(old, "ours, and not committed\n");
}

#[tokio::test]
async fn only_the_run_branch_that_the_caller_knows_catches_up() {
    let (lab, repo, worktree, _) = apart().await;
    let before = lab.id(&lab.repo(), "run/spec~1");
    let tip = Some(lab.id(&lab.repo(), "run/spec"));
    let outcome = run(&repo, &worktree, &before).await;
    assert_eq!(outcome, CatchUp::RunBranchMoved { tip });
}
