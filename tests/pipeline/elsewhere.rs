//! `global_log_dir`: the files of runs in another place than the daemon's own data, and where older runs keep theirs.

use std::path::{Path, PathBuf};

use agent_loop::core::run::{RunId, State};
use agent_loop::effect::run_dir;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile};

/// A house over the repository's data that keeps the files of new runs in this place.
async fn house(repo: &Repository, root: Option<&Path>) -> House {
    let options = Options {
        files_root: root.map(Path::to_owned),
        ..Options::default()
    };
    House::open(&repo.outside().join("data"), &options).await
}

fn files(root: &Path, id: &RunId) -> PathBuf {
    root.join("runs").join(format!("run-{id}"))
}

#[tokio::test]
async fn a_run_keeps_the_place_of_its_files_whatever_is_configured_later() {
    let repo = Repository::with_plan(ONE_TASK);
    let (first, later) = (repo.outside().join("first"), repo.outside().join("later"));
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Do it\" }}, \"complete\"]\n",
        stile.sh()
    );
    let house = self::house(&repo, Some(&first)).await;
    let settings = json!({ "artifact_mode": "global", "reviewer": false });
    let id = house.create(&repo, Some(&script), settings.clone()).await;
    stile.somebody().await;
    house.die().await;

    // The agent is found where it works, though new runs go elsewhere.
    let house = self::house(&repo, Some(&later)).await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    assert!(files(&first, &id).join("summary.json").is_file());
    assert!(!files(&later, &id).exists() && !house.dir(&id).exists());
    assert_eq!(run_dir(&house.data, &id, &run.spec), files(&first, &id));

    let next = house.create(&repo, None, settings.clone()).await;
    house.rests(&next, State::Completed).await;
    house.settled(&next).await;
    assert!(files(&later, &next).join("report.tsv").is_file());
    assert!(!files(&first, &next).exists() && !house.dir(&next).exists());
    house.die().await;

    let house = self::house(&repo, None).await;
    let last = house.create(&repo, None, settings).await;
    house.rests(&last, State::Completed).await;
    house.settled(&last).await;
    assert!(house.dir(&last).join("report.tsv").is_file());
}

#[tokio::test]
async fn a_snapshot_is_found_in_the_place_that_the_run_was_created_with() {
    let repo = Repository::with_plan(ONE_TASK);
    let first = repo.outside().join("first");
    let house = self::house(&repo, Some(&first)).await;
    repo.write("specs/thing.md", "# Thing\n\nMake it otherwise.\n");
    let request = agent_loop::daemon::Request {
        snapshot: true,
        ..crate::support::request(&repo, None, json!({ "merge_strategy": "none" }))
    };
    let id = house.try_create(request).await.expect("accepted");
    house.rests(&id, State::Completed).await;
    let spec = repo.at("run/thing", "specs/thing.md");
    assert!(spec.contains("Make it otherwise."), "{spec}");
    assert!(files(&first, &id).join("snapshot/specs/thing.md").is_file());
}
