//! The target moves to the verified tree, once, or not at all.

use std::fs;

use agent_loop::effect::git::{
    Executed, Intent, MergeWant, Oid, Repo, Settled, Step, Strategy, Worktree, execute, head,
    plan_merge, settle, tip,
};

use super::{Lab, executable, merge_want, no_drivers, with_worktree};

/// A run whose work is one commit.
async fn worked() -> (Lab, Repo, Worktree, agent_loop::effect::git::Tip) {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    lab.commit(&worktree.path, "work");
    let verified = head(&repo, &worktree).await.unwrap();
    (lab, repo, worktree, verified)
}

fn intent(step: Step) -> Intent {
    match step {
        Step::Ready(intent) => intent,
        other => panic!("{other:?}"),
    }
}

fn merged(executed: Executed) -> Oid {
    match executed {
        Executed::Merged { commit } => commit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_target_is_made_from_the_base_beside_a_dirty_checkout() {
    let (lab, repo, worktree, verified) = worked().await;
    fs::write(lab.repo().join("f"), "dirty\n").unwrap();
    let before = lab.picture(&lab.repo());
    let planned = intent(
        plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Squash))
            .await
            .unwrap(),
    );
    assert_eq!(planned.old, None);
    assert!(!lab.has("refs/heads/agent/spec"));
    let commit = merged(execute(&repo, &planned, &worktree.drivers).await.unwrap());
    let target = tip(&repo, "agent/spec").await.unwrap().unwrap();
    assert_eq!(
        (target.commit.clone(), target.tree),
        (commit.clone(), verified.tree.clone())
    );
    assert_eq!(
        lab.sh(&lab.repo(), &["log", "-1", "--format=%P", commit.as_str()]),
        worktree.base_commit.as_str()
    );
    assert!(
        lab.sh(&lab.repo(), &["log", "-1", "--format=%B", commit.as_str()])
            .contains("Loopd-Run: r1")
    );
    assert_eq!(lab.picture(&lab.repo()), before);
    // A repeat finds it.
    assert_eq!(
        merged(execute(&repo, &planned, &worktree.drivers).await.unwrap()),
        commit
    );
    let again = plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Squash))
        .await
        .unwrap();
    assert_eq!(again, Step::Merged { commit });
}

#[tokio::test]
async fn a_merge_commit_has_both_parents_and_the_verified_tree() {
    let (lab, repo, worktree, verified) = worked().await;
    lab.sh(
        &lab.repo(),
        &["branch", "agent/spec", worktree.base_commit.as_str()],
    );
    let planned = intent(
        plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Merge))
            .await
            .unwrap(),
    );
    let commit = merged(execute(&repo, &planned, &worktree.drivers).await.unwrap());
    let parents = lab.sh(&lab.repo(), &["log", "-1", "--format=%P", commit.as_str()]);
    assert_eq!(
        parents,
        format!("{} {}", worktree.base_commit, verified.commit)
    );
    assert_eq!(
        tip(&repo, "agent/spec").await.unwrap().unwrap().tree,
        verified.tree
    );
    let again = plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Merge))
        .await
        .unwrap();
    assert_eq!(again, Step::Merged { commit });
}

#[tokio::test]
async fn a_crash_before_the_ref_moved_is_pending_and_one_after_it_is_merged() {
    let (lab, repo, worktree, verified) = worked().await;
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let planned = intent(plan_merge(&repo, &wish).await.unwrap());
    let planned: Intent = serde_json::from_str(&serde_json::to_string(&planned).unwrap()).unwrap();
    assert_eq!(settle(&repo, &planned).await.unwrap(), Settled::Pending);
    // Lost before it was stored: planned anew, and only one of the two gets through.
    let second = intent(plan_merge(&repo, &wish).await.unwrap());
    let commit = merged(execute(&repo, &second, &worktree.drivers).await.unwrap());
    if planned.new != commit {
        let late = execute(&repo, &planned, &worktree.drivers).await.unwrap();
        assert_eq!(
            late,
            Executed::TargetMoved {
                target: Some(commit.clone())
            }
        );
    }
    assert_eq!(
        settle(&repo, &second).await.unwrap(),
        Settled::Merged {
            commit: commit.clone()
        }
    );
    // Others go on from there: it is still merged, and recognised.
    let on_top = lab.sh(
        &lab.repo(),
        &[
            "commit-tree",
            "-p",
            commit.as_str(),
            "-m",
            "next",
            "HEAD^{tree}",
        ],
    );
    lab.sh(
        &lab.repo(),
        &["update-ref", "refs/heads/agent/spec", &on_top],
    );
    assert_eq!(
        settle(&repo, &second).await.unwrap(),
        Settled::Merged {
            commit: commit.clone()
        }
    );
    assert_eq!(
        plan_merge(&repo, &wish).await.unwrap(),
        Step::Merged { commit }
    );
}

#[tokio::test]
async fn a_target_that_moved_is_never_moved_again_without_a_new_plan() {
    let (lab, repo, worktree, verified) = worked().await;
    lab.sh(&lab.repo(), &["branch", "agent/spec", "main"]);
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let planned = intent(plan_merge(&repo, &wish).await.unwrap());
    let other = lab.sh(
        &lab.repo(),
        &["commit-tree", "-p", "main", "-m", "other", "main^{tree}"],
    );
    lab.sh(
        &lab.repo(),
        &["update-ref", "refs/heads/agent/spec", &other],
    );
    let other = Oid::parse(&other).unwrap();
    let moved = Executed::TargetMoved {
        target: Some(other.clone()),
    };
    assert_eq!(
        execute(&repo, &planned, &no_drivers()).await.unwrap(),
        moved
    );
    assert_eq!(
        settle(&repo, &planned).await.unwrap(),
        Settled::TargetMoved {
            target: Some(other.clone())
        }
    );
    assert_eq!(
        plan_merge(&repo, &wish).await.unwrap(),
        Step::TargetMoved { target: other }
    );
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "agent/spec"]);
    let gone = Executed::TargetMoved { target: None };
    assert_eq!(execute(&repo, &planned, &no_drivers()).await.unwrap(), gone);
    let again = intent(plan_merge(&repo, &wish).await.unwrap());
    merged(execute(&repo, &again, &no_drivers()).await.unwrap());
}

#[tokio::test]
async fn a_target_that_moves_in_the_very_moment_of_the_merge_keeps_what_came() {
    let (lab, repo, worktree, verified) = worked().await;
    lab.sh(&lab.repo(), &["branch", "agent/spec", "main"]);
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    let planned = intent(plan_merge(&repo, &wish).await.unwrap());
    let commit = ["commit-tree", "-p", "main", "-m", "other", "main^{tree}"];
    let other = lab.sh(&lab.repo(), &commit);
    // Somebody moves it after the last look, just before loopd does.
    let home = lab.at("home");
    let script = format!(
        "#!/bin/sh\nexport HOME='{0}' XDG_CONFIG_HOME='{0}' GIT_CONFIG_NOSYSTEM=1\n\
         case \" $* \" in *\" update-ref --no-deref \"*\" refs/heads/agent/spec \"*)\n\
         git update-ref refs/heads/agent/spec {other} && echo moved > '{0}/moved' ;;\nesac\n\
         exec git \"$@\"\n",
        home.display()
    );
    executable(&lab.dir.path().join("git"), &script);
    let moved = Executed::TargetMoved {
        target: Oid::parse(&other),
    };
    let done = execute(&repo, &planned, &no_drivers()).await.unwrap();
    assert!(home.join("moved").exists(), "it was not moved in between");
    assert_eq!(done, moved);
    let tip = lab.sh(&lab.repo(), &["rev-parse", "agent/spec"]);
    assert_eq!(tip, other, "what came is still there");
}

#[tokio::test]
async fn a_run_branch_that_moved_after_the_checks_is_not_merged() {
    let (lab, repo, worktree, verified) = worked().await;
    let late = lab.commit(&worktree.path, "after the checks");
    let step = plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Squash))
        .await
        .unwrap();
    assert_eq!(step, Step::RunBranchMoved { tip: Some(late) });
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "run/spec"]);
    let step = plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Squash))
        .await
        .unwrap();
    assert_eq!(step, Step::RunBranchMoved { tip: None });
}

#[tokio::test]
async fn a_run_without_a_change_leaves_an_existing_target_as_it_is() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&lab.repo(), &["branch", "agent/spec", "main"]);
    let verified = head(&repo, &worktree).await.unwrap();
    let step = plan_merge(&repo, &merge_want(&worktree, &verified, Strategy::Squash))
        .await
        .unwrap();
    assert_eq!(
        step,
        Step::Merged {
            commit: lab.id(&lab.repo(), "main")
        }
    );
}

#[tokio::test]
async fn targets_that_cannot_be_are_held_or_refused_by_name() {
    let (lab, repo, worktree, verified) = worked().await;
    let wish = merge_want(&worktree, &verified, Strategy::Squash);
    lab.sh(&lab.repo(), &["branch", "agent"]);
    let step = plan_merge(&repo, &wish).await.unwrap();
    assert!(
        matches!(&step, Step::Held { message, .. } if message.contains("beside the branch agent")),
        "{step:?}"
    );
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "agent"]);
    lab.sh(
        &lab.repo(),
        &["symbolic-ref", "refs/heads/agent/spec", "refs/heads/main"],
    );
    let step = plan_merge(&repo, &wish).await.unwrap();
    assert!(
        matches!(&step, Step::Held { message, .. } if message.contains("another name of")),
        "{step:?}"
    );
    for target in ["run/spec", "a..b", "-x"] {
        assert!(
            plan_merge(
                &repo,
                &MergeWant {
                    target_branch: target,
                    ..wish
                }
            )
            .await
            .is_err(),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_bare_repository_merges_by_its_refs() {
    let (lab, _, _) = with_worktree().await;
    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = Repo::open(&lab.git, &lab.at("bare.git")).await.unwrap();
    let place = |_: &str| Ok("../wt-bare".into());
    let wish = agent_loop::effect::git::Want {
        place: &place,
        slug: "other",
        ..super::want("r2")
    };
    let worktree = super::ready(
        agent_loop::effect::git::prepare_worktree(&bare, &wish)
            .await
            .unwrap(),
    );
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    let _ = agent_loop::effect::git::commit_leftovers(&bare, &worktree, "x", &[], &[])
        .await
        .unwrap();
    let verified = head(&bare, &worktree).await.unwrap();
    let wish = MergeWant {
        target_branch: "main",
        ..merge_want(&worktree, &verified, Strategy::Squash)
    };
    let planned = intent(plan_merge(&bare, &wish).await.unwrap());
    merged(execute(&bare, &planned, &worktree.drivers).await.unwrap());
    assert_eq!(
        tip(&bare, "main").await.unwrap().unwrap().tree,
        verified.tree
    );
}
