//! The repository that a run starts in: from a named base, at strange paths, bare, shallow or sparse; and what loopd writes
//! into it, one change after the other. Under which names and paths a run starts is tried in `names`.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf};

use agent_loop::effect::git::{
    GitErrorKind, Leftovers, Repo, Want, Worktree, commit_leftovers, exclude_line, prepare_worktree,
};

use super::names::prepared;
use super::{Lab, executable, want};

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
