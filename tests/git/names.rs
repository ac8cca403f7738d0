//! Under which names and paths a run starts: never those of somebody else. From what it starts is tried in `grounds`.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{Repo, Want, Worktree, foresee, prepare_worktree};

use super::{Lab, ready, want, with_worktree};

pub(super) async fn prepared(repo: &Repo, want: &Want<'_>) -> Worktree {
    ready(prepare_worktree(repo, want).await.unwrap())
}

#[tokio::test]
async fn names_never_collide_with_branches_or_directories() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    lab.sh(&lab.repo(), &["branch", "run/spec"]);
    lab.sh(&lab.repo(), &["branch", "run/spec-2/deep"]);
    fs::create_dir(lab.at("wt.run-spec-3")).unwrap();
    fs::write(lab.at("wt.run-spec-3/mine"), "").unwrap();
    let first = prepared(&repo, &want("r1")).await;
    assert_eq!(first.run_branch, "run/spec-4");
    let second = prepared(&repo, &want("r2")).await;
    assert_eq!(second.run_branch, "run/spec-5");
    assert!(lab.at("wt.run-spec-3/mine").exists());
    lab.sh(&lab.repo(), &["branch", "busy"]);
    let error = prepare_worktree(
        &repo,
        &Want {
            run_branch_prefix: "busy/",
            ..want("r3")
        },
    )
    .await
    .unwrap_err();
    assert!(
        error.said.contains("the branch busy is in the way"),
        "{error}"
    );
}

#[tokio::test]
async fn a_place_that_is_the_same_for_every_name_gets_a_number_when_it_is_taken() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    fs::create_dir(lab.at("fixed")).unwrap();
    let place = |_: &str| Ok(PathBuf::from("../fixed"));
    let at = |run_id| Want {
        place: &place,
        ..want(run_id)
    };
    let (branch, path) = foresee(&repo, &at("r1")).await.unwrap();
    assert_eq!((branch.as_str(), path), ("run/spec", lab.at("fixed-2")));
    let first = prepared(&repo, &at("r1")).await;
    assert_eq!(
        (first.run_branch.as_str(), first.path),
        ("run/spec", lab.at("fixed-2"))
    );
    let second = prepared(&repo, &at("r2")).await;
    assert_eq!(
        (second.run_branch.as_str(), second.path),
        ("run/spec-2", lab.at("fixed-3"))
    );
    assert_eq!(
        fs::read_dir(lab.at("fixed")).unwrap().count(),
        0,
        "nobody is in there"
    );
}

#[tokio::test]
async fn a_foreign_directory_that_came_after_the_claim_is_passed_by() {
    let (lab, repo, first) = with_worktree().await;
    lab.drop_worktree(&first);
    fs::create_dir(&first.path).unwrap();
    let again = prepared(&repo, &want("r1")).await;
    assert_eq!(again.run_branch, first.run_branch);
    assert_eq!(again.path, lab.at("wt.run-spec-2"));
    assert!(first.path.is_dir());
}

#[tokio::test]
async fn a_worktree_is_not_put_into_git_or_around_the_repository() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    for place in [".git/wt", "..", ".", "../.."] {
        let place = |_: &str| Ok(PathBuf::from(place));
        let error = prepare_worktree(
            &repo,
            &Want {
                place: &place,
                ..want("r1")
            },
        )
        .await
        .unwrap_err();
        assert!(error.said.contains("worktree_path_template"), "{error}");
    }
    assert!(!lab.has("refs/heads/run/spec"));
    // A bare repository is git's own directory and nothing else.
    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = Repo::open(&lab.git, &lab.at("bare.git")).await.unwrap();
    for place in [
        "trees/wt",
        "objects/wt",
        "../bare.git",
        "../repo/../bare.git/wt",
    ] {
        let place = |_: &str| Ok(PathBuf::from(place));
        let want = Want {
            place: &place,
            ..want("r1")
        };
        let error = prepare_worktree(&bare, &want).await.unwrap_err();
        assert!(error.said.contains("git's own directory"), "{error}");
    }
    let heads = lab.sh(&lab.at("bare.git"), &["for-each-ref", "refs/heads/run"]);
    assert_eq!(heads, "");
}

#[tokio::test]
async fn a_run_that_is_called_what_no_ref_can_be_called_gets_none() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    for run in ["", "a/b", "..", "r 1"] {
        let error = prepare_worktree(&repo, &want(run)).await.unwrap_err();
        assert!(error.said.contains("only letters"), "{error}");
    }
    assert!(!lab.has("refs/heads/run/spec"));
}

#[tokio::test]
async fn runs_that_start_at_once_get_names_of_their_own() {
    let lab = Lab::new().await;
    let (one, other) = (lab.open().await, lab.open().await);
    let (first, second) = (want("r1"), want("r2"));
    let (first, second) = tokio::join!(prepared(&one, &first), prepared(&other, &second));
    let mut branches = [first.run_branch, second.run_branch];
    branches.sort();
    assert_eq!(branches, ["run/spec", "run/spec-2"]);
}

#[tokio::test]
async fn a_workspaces_own_word_leads_nowhere_but_below_its_parent_folder() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    std::fs::create_dir_all(lab.at("away/there")).unwrap();
    let outside = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), lab.repo().join("out")).unwrap();
    std::os::unix::fs::symlink("../away", lab.repo().join("near")).unwrap();
    let out = |branch: &str| -> Result<PathBuf, String> {
        Ok(PathBuf::from(format!("out/{}", branch.replace('/', "-"))))
    };
    let confined = Want {
        confined: true,
        place: &out,
        ..want("r1")
    };
    let error = prepare_worktree(&repo, &confined).await.unwrap_err();
    assert!(
        error.to_string().contains("worktree_path_template"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!lab.has("refs/heads/run/spec"));
    let near = |branch: &str| -> Result<PathBuf, String> {
        Ok(PathBuf::from(format!(
            "near/there/{}",
            branch.replace('/', "-")
        )))
    };
    let beside = Want {
        place: &near,
        ..confined
    };
    let made = ready(prepare_worktree(&repo, &beside).await.unwrap());
    assert_eq!(made.path, lab.at("away/there/run-spec"));
    let own = Want {
        confined: false,
        place: &out,
        ..want("r2")
    };
    let made = ready(prepare_worktree(&repo, &own).await.unwrap());
    assert!(
        made.path
            .starts_with(std::fs::canonicalize(outside.path()).unwrap())
    );
}
