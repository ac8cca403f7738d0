//! A run's branch and worktree: made, made again, never over something of the user's.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{
    GitErrorKind, Repo, Want, Worktree, exclude_line, head, prepare_worktree, show,
};

use super::{Lab, held, ready, want, with_worktree};

async fn prepared(repo: &Repo, want: &Want<'_>) -> Worktree {
    ready(prepare_worktree(repo, want).await.unwrap())
}

#[tokio::test]
async fn a_run_starts_beside_a_dirty_checkout_on_another_branch_which_stays_byte_identical() {
    let lab = Lab::new().await;
    let place = lab.repo();
    lab.sh(&place, &["switch", "-q", "-c", "topic"]);
    fs::write(place.join("f"), "staged\n").unwrap();
    lab.sh(&place, &["add", "f"]);
    fs::write(place.join("f"), "changed\n").unwrap();
    fs::write(place.join("untracked"), "mine\n").unwrap();
    let before = lab.picture(&place);
    let repo = lab.open().await;
    let worktree = prepared(&repo, &want("r1")).await;
    assert_eq!(lab.picture(&place), before);
    assert_eq!(worktree.base_branch, "main");
    assert_eq!(worktree.run_branch, "run/spec");
    assert_eq!(worktree.path, lab.at("wt.run-spec"));
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "one\n"
    );
    assert_eq!(lab.sh(&worktree.path, &["status", "--porcelain"]), "");
    assert_eq!(
        lab.sh(&worktree.path, &["branch", "--show-current"]),
        "run/spec"
    );
}

#[tokio::test]
async fn a_repeat_without_a_record_gives_the_same_branch_and_path() {
    let (lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("work"), "of the agent\n").unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert!(first.path.join("work").exists());
    assert_eq!(
        lab.sh(
            &lab.repo(),
            &["branch", "--list", "run/*", "--format=%(refname:short)"]
        ),
        "run/spec"
    );
}

#[tokio::test]
async fn a_crash_after_the_branch_was_claimed_leaves_no_stray_branch() {
    let (lab, repo, first) = with_worktree().await;
    // As a crash between the claim and `worktree add` leaves it: branch and mark, no worktree.
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
    assert!(lab.has("refs/loopd/runs/r1/0/run/spec"));
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    // And between the mark and the branch.
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
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "run/spec"]);
    assert_eq!(prepared(&repo, &want("r1")).await, first);
}

#[tokio::test]
async fn a_crash_while_the_files_were_written_is_finished() {
    let (_lab, repo, first) = with_worktree().await;
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    fs::remove_file(admin.join("loopd")).unwrap();
    fs::remove_file(first.path.join(".gitignore")).unwrap();
    fs::write(first.path.join("f"), "o").unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert_eq!(fs::read_to_string(first.path.join("f")).unwrap(), "one\n");
    assert!(admin.join("loopd").exists());
    // And before the directory had its `.git`.
    fs::remove_file(admin.join("loopd")).unwrap();
    fs::remove_dir_all(&first.path).unwrap();
    fs::create_dir(&first.path).unwrap();
    assert_eq!(prepared(&repo, &want("r1")).await, first);
    assert!(first.path.join("f").exists());
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
async fn a_recorded_worktree_is_taken_up_as_it_is_and_a_reset_gets_its_own() {
    let (_lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "half done\n").unwrap();
    let stored: Worktree = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(
        prepared(
            &repo,
            &Want {
                known: Some(&stored),
                ..want("r1")
            }
        )
        .await,
        first
    );
    assert_eq!(
        fs::read_to_string(first.path.join("f")).unwrap(),
        "half done\n"
    );
    let reset = prepared(
        &repo,
        &Want {
            reset: 1,
            ..want("r1")
        },
    )
    .await;
    assert_eq!(reset.run_branch, "run/spec-2");
    assert!(first.path.join("f").exists());
}

#[tokio::test]
async fn a_vanished_directory_is_added_again_at_the_same_place_with_the_runs_commits() {
    let (lab, repo, first) = with_worktree().await;
    fs::write(first.path.join("f"), "two\n").unwrap();
    let commit = lab.commit(&first.path, "work");
    fs::remove_dir_all(&first.path).unwrap();
    lab.sh(&lab.repo(), &["worktree", "add", "-q", "../mine"]);
    fs::remove_dir_all(lab.at("mine")).unwrap();
    let again = prepared(
        &repo,
        &Want {
            known: Some(&first),
            ..want("r1")
        },
    )
    .await;
    assert_eq!(again, first);
    assert_eq!(head(&repo, &again).await.unwrap().commit, commit);
    assert_eq!(fs::read_to_string(first.path.join("f")).unwrap(), "two\n");
    // What git knows of the user's own vanished worktree stays.
    assert!(repo.common_dir.join("worktrees/mine").exists());
}

#[tokio::test]
async fn a_switched_branch_a_detached_head_and_a_foreign_directory_are_held_for_a_person() {
    let (lab, repo, first) = with_worktree().await;
    let known = Want {
        known: Some(&first),
        ..want("r1")
    };
    lab.sh(&first.path, &["switch", "-q", "-c", "elsewhere"]);
    assert!(
        held(prepare_worktree(&repo, &known).await.unwrap())
            .contains("is on elsewhere, not on run/spec")
    );
    lab.sh(&first.path, &["switch", "-q", "--detach"]);
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains("on no branch"));
    lab.sh(&first.path, &["switch", "-q", "run/spec"]);
    ready(prepare_worktree(&repo, &known).await.unwrap());
    fs::write(first.path.join(".git"), "gitdir: /elsewhere\n").unwrap();
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains(".git does not lead"));
    fs::remove_dir_all(&first.path).unwrap();
    fs::create_dir(&first.path).unwrap();
    fs::write(first.path.join("mine"), "").unwrap();
    assert!(held(prepare_worktree(&repo, &known).await.unwrap()).contains(".git does not lead"));
    assert!(first.path.join("mine").exists());
    fs::remove_dir_all(&first.path).unwrap();
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
    lab.sh(&lab.repo(), &["branch", "-q", "-D", "run/spec"]);
    assert!(
        held(prepare_worktree(&repo, &known).await.unwrap())
            .contains("the branch run/spec is gone")
    );
}

#[tokio::test]
async fn a_snapshot_becomes_the_first_commit_and_changes_nothing_else() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let place = lab.repo();
    fs::create_dir(place.join("specs")).unwrap();
    fs::write(place.join("specs/a.md"), "draft\n").unwrap();
    let before = lab.picture(&place);
    let files = [
        (PathBuf::from("specs/a.md"), b"draft\n".to_vec()),
        (PathBuf::from("empty"), Vec::new()),
    ];
    let wish = Want {
        snapshot: &files,
        ..want("r1")
    };
    let worktree = prepared(&repo, &wish).await;
    assert_eq!(lab.picture(&place), before);
    assert_eq!(worktree.base_commit, lab.id(&place, "main"));
    assert_ne!(worktree.start_commit, worktree.base_commit);
    let got = show(&repo, &worktree.start_commit, Path::new("specs/a.md"))
        .await
        .unwrap();
    assert_eq!(got.as_deref(), Some(&b"draft\n"[..]));
    assert_eq!(
        show(&repo, &worktree.start_commit, Path::new("empty"))
            .await
            .unwrap(),
        Some(Vec::new())
    );
    assert_eq!(
        fs::read_to_string(worktree.path.join("specs/a.md")).unwrap(),
        "draft\n"
    );
    // After a crash the base is found again below the snapshot.
    assert_eq!(prepared(&repo, &wish).await, worktree);
    let outside = [(PathBuf::from("../x"), Vec::new())];
    let error = prepare_worktree(
        &repo,
        &Want {
            snapshot: &outside,
            ..want("r2")
        },
    )
    .await
    .unwrap_err();
    assert!(error.tried.contains("../x"), "{error}");
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
    assert!(!place.join("out").exists());
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
