//! Where a run starts, and under which names and paths: never those of somebody else.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf};

use agent_loop::effect::git::{
    GitErrorKind, Leftovers, Repo, Want, Worktree, commit_leftovers, exclude_line, foresee,
    prepare_worktree,
};

use super::{Lab, executable, ready, want, with_worktree};

async fn prepared(repo: &Repo, want: &Want<'_>) -> Worktree {
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
    lab.sh(
        &lab.repo(),
        &[
            "worktree",
            "remove",
            "-f",
            "-f",
            first.path.to_str().unwrap(),
        ],
    );
    fs::create_dir(&first.path).unwrap();
    let again = prepared(&repo, &want("r1")).await;
    assert_eq!(again.run_branch, first.run_branch);
    assert_eq!(again.path, lab.at("wt.run-spec-2"));
    assert!(first.path.is_dir());
}

#[tokio::test]
async fn the_base_may_be_named_and_a_missing_one_is_an_error() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    lab.sh(&lab.repo(), &["branch", "old"]);
    lab.commit(&lab.repo(), "second");
    let worktree = prepared(
        &repo,
        &Want {
            base_branch: Some("old"),
            ..want("r1")
        },
    )
    .await;
    assert_eq!(worktree.base_commit, lab.id(&lab.repo(), "old"));
    let error = prepare_worktree(
        &repo,
        &Want {
            base_branch: Some("nope"),
            ..want("r2")
        },
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Permanent);
    assert!(error.tried.contains("nope"), "{error}");
    assert!(
        prepare_worktree(
            &repo,
            &Want {
                run_id: "../x",
                ..want("r1")
            }
        )
        .await
        .is_err()
    );
    assert!(
        prepare_worktree(
            &repo,
            &Want {
                slug: "a..b",
                ..want("r4")
            }
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn strange_paths_bare_repositories_and_shallow_ones_serve_as_well() {
    let lab = Lab::new().await;
    let strange = lab.start(OsString::from_vec(b"sp ace\nnew\xff".to_vec()));
    let repo = Repo::open(&lab.git, &strange).await.unwrap();
    let place = |_: &str| Ok(PathBuf::from(OsString::from_vec(b"../wt \n\xfe".to_vec())));
    let wish = Want {
        place: &place,
        ..want("r1")
    };
    let worktree = prepared(&repo, &wish).await;
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "one\n"
    );
    let stored: Worktree =
        serde_json::from_str(&serde_json::to_string(&worktree).unwrap()).unwrap();
    assert_eq!(
        prepared(
            &repo,
            &Want {
                known: Some(&stored),
                ..wish
            }
        )
        .await,
        worktree
    );

    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = Repo::open(&lab.git, &lab.at("bare.git")).await.unwrap();
    let place = |branch: &str| {
        Ok(PathBuf::from(format!(
            "../bare-{}",
            branch.replace('/', "-")
        )))
    };
    let worktree = prepared(
        &bare,
        &Want {
            place: &place,
            ..want("r2")
        },
    )
    .await;
    assert_eq!(worktree.path, lab.at("bare-run-spec"));
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");

    lab.commit(&lab.repo(), "second");
    let url = format!("file://{}", lab.repo().display());
    lab.sh(&lab.at(""), &["clone", "-q", "--depth=1", &url, "shallow"]);
    let shallow = Repo::open(&lab.git, &lab.at("shallow")).await.unwrap();
    let place = |_: &str| Ok(PathBuf::from("../wt-shallow"));
    assert!(
        prepared(
            &shallow,
            &Want {
                place: &place,
                ..want("r3")
            }
        )
        .await
        .path
        .join("f")
        .exists()
    );
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
    // A bare repository has no checkout that could be confused with it.
    lab.sh(&lab.at(""), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let bare = Repo::open(&lab.git, &lab.at("bare.git")).await.unwrap();
    let place = |_: &str| Ok(PathBuf::from("trees/wt"));
    let want = Want {
        place: &place,
        ..want("r1")
    };
    let made = prepared(&bare, &want).await;
    assert_eq!(made.path, lab.at("bare.git/trees/wt"));
}

#[tokio::test]
async fn a_sparse_checkout_is_not_inherited() {
    let lab = Lab::new().await;
    let place = lab.repo();
    fs::create_dir_all(place.join("in")).unwrap();
    fs::create_dir_all(place.join("out")).unwrap();
    fs::write(place.join("in/a"), "").unwrap();
    fs::write(place.join("out/b"), "").unwrap();
    lab.commit(&place, "two directories");
    lab.sh(&place, &["sparse-checkout", "set", "in"]);
    assert!(!place.join("out").exists());
    let repo = lab.open().await;
    let worktree = prepared(&repo, &want("r1")).await;
    assert!(worktree.path.join("out/b").exists());
    lab.sh(&worktree.path, &["checkout", "-q", "HEAD", "--", "."]);
    lab.sh(&worktree.path, &["read-tree", "-m", "-u", "HEAD"]);
    assert!(worktree.path.join("out/b").exists());
    let said = lab.sh(&worktree.path, &["status"]);
    assert!(!said.contains("sparse"), "{said}");
    assert!(!place.join("out").exists());
}

#[tokio::test]
async fn a_sparse_checkout_of_the_older_kind_is_not_inherited_either() {
    let lab = Lab::new().await;
    let place = lab.repo();
    fs::create_dir_all(place.join("out")).unwrap();
    fs::write(place.join("out/b"), "").unwrap();
    lab.commit(&place, "a directory");
    // Configured for the repository, and not for one of its checkouts.
    lab.sh(&place, &["config", "core.sparseCheckout", "true"]);
    fs::create_dir_all(place.join(".git/info")).unwrap();
    fs::write(place.join(".git/info/sparse-checkout"), "/f\n").unwrap();
    let repo = lab.open().await;
    let worktree = prepared(&repo, &want("r1")).await;
    lab.sh(&worktree.path, &["read-tree", "-m", "-u", "HEAD"]);
    assert!(worktree.path.join("out/b").exists());
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
async fn the_exclude_line_is_written_once_and_keeps_what_is_there() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let file = repo.common_dir.join("info/exclude");
    fs::write(&file, "mine").unwrap();
    assert!(exclude_line(&repo, "logs/loop/").await.unwrap());
    assert!(!exclude_line(&repo, "logs/loop/").await.unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\nlogs/loop/\n");
    fs::remove_dir_all(repo.common_dir.join("info")).unwrap();
    assert!(exclude_line(&repo, "logs/loop/").await.unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "logs/loop/\n");
    assert!(exclude_line(&repo, "a\nb").await.is_err());
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

#[tokio::test]
async fn whatever_changes_a_repository_is_done_one_after_the_other() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let mut made = Vec::new();
    for n in 0..6 {
        let run = format!("r{n}");
        let worktree = prepared(&repo, &want(&run)).await;
        fs::write(worktree.path.join("left"), &run).unwrap();
        // However often the repository is opened, and from wherever.
        made.push((
            Repo::open(&lab.git, &worktree.path).await.unwrap(),
            worktree,
        ));
    }
    let (busy, met) = (lab.at("busy"), lab.at("met"));
    let script = format!(
        "#!/bin/sh\nexport HOME='{0}' XDG_CONFIG_HOME='{0}' GIT_CONFIG_NOSYSTEM=1\n         case \" $* \" in *' add --all '*) mkdir '{1}' || touch '{2}'; git \"$@\"; set -- $?; rmdir '{1}'; exit $1;; esac\n         exec git \"$@\"\n",
        lab.at("home").display(),
        busy.display(),
        met.display()
    );
    executable(&lab.at("git"), &script);
    let mut all = tokio::task::JoinSet::new();
    for (repo, worktree) in made {
        all.spawn(async move { commit_leftovers(&repo, &worktree, "x", &[], &[]).await });
    }
    for left in all.join_all().await {
        assert!(matches!(left, Ok(Leftovers::Committed(_))), "{left:?}");
    }
    assert!(!met.exists(), "two of them met");
}
