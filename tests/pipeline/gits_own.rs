//! No place where something of a run would be written lies in git's own directory, whatever kind of repository it is and
//! whatever links lead there: it is refused at the door, by key and value, and nothing is made.

use std::os::unix::fs::symlink;
use std::path::Path;

use agent_loop::core::run::State;
use agent_loop::daemon::{CreateError, Request, now};
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{House, Options, Repository, request};

/// Why the run is not created: code, message and hint.
async fn refused(house: &House, asked: Request) -> (String, String) {
    match house.creator.create(asked, now()).await {
        Err(CreateError::Invalid {
            code,
            message,
            hint,
        }) => (
            code.to_owned(),
            format!("{message}; {}", hint.unwrap_or_default()),
        ),
        Err(CreateError::Unusable(trouble)) => (trouble.code, trouble.message),
        other => panic!("{other:?}"),
    }
}

async fn house(repo: &Repository) -> House {
    House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await
}

fn bare() -> Repository {
    Repository::with_plan(ONE_TASK).cloned("thing.git", &["--bare"])
}

/// Whose git directory lies in its own checkout, under a name that no rule knows.
fn with_a_store_inside() -> Repository {
    let repo = Repository::with_plan(ONE_TASK);
    let store = repo.root.join("store").display().to_string();
    repo.git(&["init", "--quiet", "--separate-git-dir", &store]);
    repo
}

fn made_nothing(repo: &Repository) {
    assert_eq!(
        repo.git(&["for-each-ref", "refs/heads/run", "refs/loopd"]),
        ""
    );
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
    repo.git(&["log", "--all"]);
}

#[tokio::test]
async fn a_bare_repository_takes_no_files_of_runs_and_says_what_to_do() {
    let repo = bare();
    let house = house(&repo).await;
    let root = repo.root.display().to_string();
    let asked = |settings: Value| request(&repo, None, settings);
    let (code, said) = refused(&house, asked(json!({ "artifact_mode": "workspace" }))).await;
    assert_eq!(code, "artifact_mode");
    for words in [
        "artifact_mode = \"workspace\"",
        &root,
        "artifact_mode = \"global\"",
    ] {
        assert!(said.contains(words), "{said}");
    }
    for log_dir in ["refs/heads", "objects", "mine"] {
        let (code, said) = refused(&house, asked(json!({ "log_dir": log_dir }))).await;
        assert_eq!(code, "log_dir");
        for words in [
            &format!("log_dir `{log_dir}`"),
            &root,
            "artifact_mode = \"global\"",
        ] {
            assert!(said.contains(words), "{said}");
        }
        // Where it would not be written to, it harms nobody.
        let settings = json!({ "log_dir": log_dir, "artifact_mode": "global" });
        let created = house.creator.create(asked(settings), now()).await;
        let warnings = created.expect("a run").warnings;
        assert!(
            !warnings.iter().any(|it| it.contains("bare")),
            "{warnings:?}"
        );
    }
    made_nothing(&repo);
}

#[tokio::test]
async fn what_a_bare_repository_has_committed_leads_no_files_into_it_either() {
    let origin = Repository::with_plan(ONE_TASK);
    origin.write(".loop/config.toml", "log_dir = \"refs/heads\"\n");
    origin.commit_all("Files of runs as branches");
    let repo = origin.cloned("thing.git", &["--bare"]);
    let house = house(&repo).await;
    let (code, said) = refused(&house, request(&repo, None, json!({}))).await;
    assert_eq!(code, "log_dir");
    assert!(said.contains("log_dir `refs/heads`"), "{said}");
    made_nothing(&repo);
}

#[tokio::test]
async fn no_worktree_is_put_into_a_git_directory() {
    let plain = Repository::with_plan(ONE_TASK);
    symlink(plain.root.join(".git"), plain.outside().join("link")).expect("a link");
    let bare = bare();
    symlink(&bare.root, bare.outside().join("link")).expect("a link");
    let apart = with_a_store_inside();
    for (repo, templates) in [
        (&plain, &[".git/objects/x", "../link/x", "../repo/.git"][..]),
        (
            &bare,
            &[
                "objects/x",
                "trees/x",
                "../link/worktrees/x",
                "../thing.git/x",
            ],
        ),
        (&apart, &["store/x", "../repo/store/trees/x"]),
    ] {
        let house = house(repo).await;
        let absolute = repo.outside().join("link/deep/x").display().to_string();
        let absolute = repo.outside().join("link").exists().then_some(absolute);
        let templates = templates.iter().map(|it| (*it).to_owned());
        for template in templates.chain(absolute) {
            let settings = json!({ "worktree_path_template": template });
            let (_, said) = refused(&house, request(repo, None, settings)).await;
            let named = format!("worktree_path_template `{template}`");
            for words in [&*named, "git's own directory", "for example to"] {
                assert!(said.contains(words), "{template}: {said}");
            }
        }
        made_nothing(repo);
    }
}

#[tokio::test]
async fn neither_a_link_nor_another_name_of_gits_directory_takes_files_of_runs() {
    let plain = Repository::with_plan(ONE_TASK);
    symlink(".git/refs", plain.root.join("logs")).expect("a link");
    let apart = with_a_store_inside();
    for (repo, log_dir) in [(&plain, "logs/loop"), (&plain, "logs"), (&apart, "store/x")] {
        let house = house(repo).await;
        // The workspace may be named through a link, too.
        let link = repo.outside().join("workspace");
        let _ = symlink(&repo.root, &link);
        for root in [&repo.root, &link] {
            let mut asked = request(repo, None, json!({ "log_dir": log_dir }));
            asked.workspace_root = root.display().to_string();
            let (code, said) = refused(&house, asked).await;
            assert_eq!(code, "log_dir");
            let named = format!("log_dir `{log_dir}`");
            for words in [&*named, "git's own directory", "for example logs/loop"] {
                assert!(said.contains(words), "{said}");
            }
        }
        made_nothing(repo);
    }
}

#[tokio::test]
async fn the_daemons_own_places_are_not_in_the_repository_of_a_run() {
    for (place, is_bare) in [(".git/loopd", false), ("loopd", true)] {
        let repo = match is_bare {
            true => bare(),
            false => Repository::with_plan(ONE_TASK),
        };
        let inside = repo.root.join(place);
        std::fs::create_dir(&inside).expect("a directory");
        let link = repo.outside().join("link");
        symlink(&inside, &link).expect("a link");
        for root in [&inside, &link] {
            let mut house = house(&repo).await;
            house.creator.files_root = Some(root.display().to_string());
            let (code, said) = refused(&house, request(&repo, None, json!({}))).await;
            assert_eq!(code, "files_in_git");
            let named = format!("global_log_dir `{}`", root.display());
            assert!(
                said.contains(&named) && said.contains("git's own"),
                "{said}"
            );
            house.creator.files_root = None;
            house.creator.data_dir.clone_from(root);
            let (code, said) = refused(&house, request(&repo, None, json!({}))).await;
            assert_eq!(code, "files_in_git");
            let named = format!("the data directory `{}`", root.display());
            assert!(
                said.contains(&named) && said.contains("--data-dir"),
                "{said}"
            );
        }
        assert_eq!(std::fs::read_dir(&inside).expect("a directory").count(), 0);
        made_nothing(&repo);
    }
}

#[tokio::test]
async fn no_snapshot_is_taken_of_gits_own_files() {
    // The configuration of a repository may hold secrets.
    for (repo, spec, expected) in [
        (bare(), "config", "snapshot_bare"),
        (bare(), "specs/thing.md", "snapshot_bare"),
        (
            with_a_store_inside(),
            "store/config",
            "path_outside_workspace",
        ),
    ] {
        let house = house(&repo).await;
        let mut asked = request(&repo, None, json!({}));
        asked.spec_path = spec.to_owned();
        asked.plan_path = Some("specs/planning/thing-plan.md".to_owned());
        asked.snapshot = true;
        let (code, said) = refused(&house, asked).await;
        assert_eq!(code, expected, "{spec}: {said}");
    }
    let repo = bare();
    let house = house(&repo).await;
    let mut asked = request(&repo, None, json!({}));
    asked.spec_path = "config".to_owned();
    asked.plan_path = Some("specs/planning/thing-plan.md".to_owned());
    let (code, said) = refused(&house, asked).await;
    assert_eq!(code, "file_missing");
    assert!(
        said.contains("the spec config is not committed on main of the bare repository"),
        "{said}"
    );
}

#[tokio::test]
async fn a_link_that_comes_after_the_door_leads_no_file_into_gits_directory() {
    let repo = Repository::with_plan(ONE_TASK);
    let first = house(&repo).await;
    let settings = json!({ "artifact_mode": "workspace", "verify_cmds": ["true"] });
    let id = first.create(&repo, None, settings).await;
    first.die().await;
    symlink(".git/refs", repo.root.join("logs")).expect("a link");
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert!(!repo.root.join(".git/refs/loop").exists());
    assert!(
        house.file(&id, "report.tsv").contains("RUN_END"),
        "kept elsewhere"
    );
    assert!(Path::new(&house.dir(&id)).join("summary.json").is_file());
    repo.git(&["log", "--all"]);
    let found = repo.git(&["fsck", "--full"]);
    assert!(!found.contains("error"), "{found}");
}
