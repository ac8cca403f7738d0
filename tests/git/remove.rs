//! Worktrees are removed with positive proof, or kept.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{
    Removal, Retirable, Retired, Want, Worktree, list_worktrees, prepare_worktree, remove_worktree,
    retirable, retire_branch,
};

use super::{GONE, held, kept, ready, want, with_worktree};

#[tokio::test]
async fn a_worktree_whose_files_are_committed_goes_and_its_branch_stays() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("new"), "work\n").unwrap();
    lab.commit(&worktree.path, "work");
    fs::create_dir(worktree.path.join("deep")).unwrap();
    fs::write(
        worktree.path.join("deep/debug.log"),
        "ignored by the base\n",
    )
    .unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
    assert!(!worktree.path.exists());
    assert!(lab.has("refs/heads/run/spec"));
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn changes_and_files_that_no_commit_has_are_kept() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "changed\n").unwrap();
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("uncommitted changes: f")
    );
    lab.sh(&worktree.path, &["update-index", "--assume-unchanged", "f"]);
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("uncommitted changes: f")
    );
    fs::write(worktree.path.join("f"), "one\n").unwrap();
    fs::write(worktree.path.join("new"), "").unwrap();
    assert!(kept(&repo, &worktree).await.contains("no commit has: new"));
    // Staged, then deleted from the disk: there is nothing left to lose in there but the index.
    fs::remove_file(worktree.path.join("new")).unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn only_the_rules_of_the_base_commit_make_a_file_disposable() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join(".gitignore"), "*.log\nsecret\n").unwrap();
    lab.commit(&worktree.path, "ignore more");
    fs::write(worktree.path.join("secret"), "").unwrap();
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("no commit has: secret")
    );
    fs::rename(worktree.path.join("secret"), worktree.path.join("other")).unwrap();
    fs::write(repo.common_dir.join("info/exclude"), "other\n").unwrap();
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("no commit has: other")
    );
    fs::remove_file(worktree.path.join("other")).unwrap();
    fs::write(worktree.path.join("x.log"), "").unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
}

#[tokio::test]
async fn commits_that_no_branch_has_get_a_rescue_ref_first() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&worktree.path, &["switch", "-q", "--detach"]);
    fs::write(worktree.path.join("f"), "detached\n").unwrap();
    let lost = lab.commit(&worktree.path, "on no branch");
    lab.sh(&lab.repo(), &["update-ref", "refs/loopd/rescue/r1", "main"]);
    let rescue = Some("refs/loopd/rescue/r1-2".to_owned());
    assert_eq!(
        remove_worktree(&repo, &worktree).await.unwrap(),
        Removal::Removed { rescue }
    );
    assert_eq!(lab.id(&lab.repo(), "refs/loopd/rescue/r1-2"), lost);
    assert!(!worktree.path.exists());
}

#[tokio::test]
async fn nested_repositories_and_unfinished_work_are_kept() {
    let (lab, repo, worktree) = with_worktree().await;
    let inner = worktree.path.join("x.log/inner");
    fs::create_dir_all(&inner).unwrap();
    lab.sh(&inner, &["init", "-q"]);
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("a repository of its own: x.log/inner")
    );
    fs::remove_dir_all(worktree.path.join("x.log")).unwrap();
    lab.sh(&worktree.path, &["bisect", "start"]);
    assert!(kept(&repo, &worktree).await.contains("BISECT_LOG"));
    lab.sh(&worktree.path, &["bisect", "reset"]);
    lab.sh(
        &worktree.path,
        &["update-ref", "refs/worktree/mine", "HEAD"],
    );
    assert!(kept(&repo, &worktree).await.contains("refs/worktree/mine"));
}

#[tokio::test]
async fn what_is_not_known_to_be_ours_is_kept() {
    let (lab, repo, worktree) = with_worktree().await;
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    fs::write(worktree.path.join(".git"), "gitdir: /elsewhere\n").unwrap();
    assert!(kept(&repo, &worktree).await.contains(".git does not lead"));
    fs::write(
        worktree.path.join(".git"),
        format!("gitdir: {}\n", admin.display()),
    )
    .unwrap();
    fs::write(admin.join("loopd"), "loopd run r2 0\n").unwrap();
    assert!(
        kept(&repo, &worktree)
            .await
            .contains("does not carry the mark")
    );
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine"]);
    let theirs = Worktree {
        path: lab.at("mine"),
        ..worktree.clone()
    };
    assert!(
        kept(&repo, &theirs)
            .await
            .contains("does not carry the mark")
    );
    fs::create_dir(lab.at("plain")).unwrap();
    let plain = Worktree {
        path: lab.at("plain"),
        ..worktree
    };
    assert!(kept(&repo, &plain).await.contains("does not know it"));
}

#[tokio::test]
async fn a_worktree_whose_directory_is_gone_is_forgotten() {
    let (_lab, repo, worktree) = with_worktree().await;
    fs::remove_dir_all(&worktree.path).unwrap();
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
    assert!(!repo.common_dir.join("worktrees/wt.run-spec").exists());
}

#[tokio::test]
async fn the_list_names_ours_and_their_state_and_not_the_users() {
    let (lab, repo, first) = with_worktree().await;
    let second = ready(prepare_worktree(&repo, &want("r2")).await.unwrap());
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine"]);
    fs::write(first.path.join("new"), "").unwrap();
    fs::remove_dir_all(&second.path).unwrap();
    let listed = list_worktrees(&repo).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|one| {
            (
                one.run_id.as_str(),
                one.path.clone(),
                one.present,
                one.dirty,
            )
        })
        .collect();
    let at = |name: &str| -> PathBuf { lab.at(name) };
    assert_eq!(
        told,
        [
            ("r1", at("wt.run-spec"), true, Some(true)),
            ("r2", at("wt.run-spec-2"), false, None)
        ]
    );
    assert_eq!(listed[0].branch.as_deref(), Some("run/spec"));
}

#[tokio::test]
async fn a_branch_is_retired_only_where_it_is_ours_and_free_and_its_commits_are_kept() {
    let (lab, repo, worktree) = with_worktree().await;
    let why = |retired: Retired| match retired {
        Retired::Kept { why } => why,
        Retired::Deleted { .. } => panic!("deleted"),
    };
    let late = lab.commit(&worktree.path, "late");
    assert!(why(retire_branch(&repo, &worktree, &[]).await.unwrap()).contains("checked out in"));
    let no = retirable(&repo, &worktree, &[]).await.unwrap();
    assert!(matches!(no, Retirable::No { why } if why.contains("checked out in")));
    let yes = retirable(&repo, &worktree, &[&worktree.path])
        .await
        .unwrap();
    assert_eq!(yes, Retirable::Yes);
    let theirs = Worktree {
        run_branch: "main".into(),
        ..worktree.clone()
    };
    assert!(why(retire_branch(&repo, &theirs, &[]).await.unwrap()).contains("mark"));
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
    // A branch of somebody's that happens to have the commits may go at any time: it does not count.
    lab.sh(&lab.repo(), &["branch", "theirs", "run/spec"]);
    let rescue = Some("refs/loopd/rescue/r1".to_owned());
    let tip = Some(late.clone());
    let gone = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
    assert_eq!(gone, Retired::Deleted { tip, rescue });
    assert_eq!(lab.id(&lab.repo(), "refs/loopd/rescue/r1"), late);
    let again = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
    assert_eq!(
        again,
        Retired::Deleted {
            tip: None,
            rescue: None
        }
    );
    assert_eq!(
        retirable(&repo, &worktree, &[]).await.unwrap(),
        Retirable::Gone
    );
    assert!(!lab.has("refs/heads/run/spec"));
    let refs = lab.sh(
        &lab.repo(),
        &["for-each-ref", "--format=%(refname)", "refs/loopd/runs/"],
    );
    assert_eq!(refs, "");
}

#[tokio::test]
async fn a_merged_branch_needs_no_rescue_and_one_that_a_person_deleted_loses_its_mark() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.commit(&worktree.path, "work");
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
    lab.sh(&lab.repo(), &["branch", "agent/spec", "run/spec"]);
    let gone = retire_branch(&repo, &worktree, &["agent/spec"])
        .await
        .unwrap();
    assert!(matches!(
        gone,
        Retired::Deleted {
            tip: Some(_),
            rescue: None
        }
    ));
    let second = ready(prepare_worktree(&repo, &want("r2")).await.unwrap());
    assert_eq!(remove_worktree(&repo, &second).await.unwrap(), GONE);
    lab.sh(&lab.repo(), &["branch", "-D", &second.run_branch]);
    // Its first commit is main's: nothing is lost with the mark.
    let gone = retire_branch(&repo, &second, &["main"]).await.unwrap();
    assert_eq!(
        gone,
        Retired::Deleted {
            tip: None,
            rescue: None
        }
    );
    let refs = lab.sh(
        &lab.repo(),
        &["for-each-ref", "--format=%(refname)", "refs/loopd/"],
    );
    assert_eq!(refs, "");
}

#[tokio::test]
async fn a_retired_branch_is_made_again_where_it_stood_unless_its_name_is_taken() {
    let (lab, repo, worktree) = with_worktree().await;
    let tip = lab.commit(&worktree.path, "work");
    assert_eq!(remove_worktree(&repo, &worktree).await.unwrap(), GONE);
    let gone = retire_branch(&repo, &worktree, &["main"]).await.unwrap();
    assert!(matches!(
        gone,
        Retired::Deleted {
            tip: Some(_),
            rescue: Some(_)
        }
    ));
    let again = Want {
        known: Some(&worktree),
        retired: Some(&tip),
        ..want("r1")
    };
    lab.sh(&lab.repo(), &["branch", "run/spec", "main"]);
    let why = held(prepare_worktree(&repo, &again).await.unwrap());
    assert!(
        why.contains("run/spec has taken its place") && why.contains("reset"),
        "{why}"
    );
    assert_eq!(lab.id(&lab.repo(), "run/spec"), lab.id(&lab.repo(), "main"));
    lab.sh(&lab.repo(), &["branch", "-D", "run/spec"]);
    for _ in 0..2 {
        let made = ready(prepare_worktree(&repo, &again).await.unwrap());
        assert_eq!(
            (&made, lab.id(&made.path, "HEAD")),
            (&worktree, tip.clone())
        );
    }
    assert!(lab.has("refs/loopd/runs/r1/0/run/spec"));
}
