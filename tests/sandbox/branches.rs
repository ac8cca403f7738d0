//! The directory of the run branches: it is there when a step begins, and stays while refs are packed.

use std::path::PathBuf;

use agent_loop::core::handover;
use agent_loop::core::run::{Event, RunId, State};
use agent_loop::effect::git::{Repo, prepare_worktree, writable};
use serde_json::{Value, json};

use super::{Estate, ONE_TASK, landlock};
use crate::git::{Lab, ready, want, with_worktree};
use crate::support::{House, Options, RETRY, Repository, Turnstile, not_tried};

#[tokio::test]
async fn the_directory_of_run_branches_survives_the_packing_of_refs() {
    let (lab, repo, worktree) = with_worktree().await;
    let place = lab.repo();
    let dir = place.join(".git/refs/heads/run");
    lab.sh(&place, &["pack-refs", "--all", "--prune"]);
    assert!(!dir.exists(), "git removes the directory of the last ref");
    let found = writable(&repo, &worktree).await.expect("it is found");
    assert_eq!(found.lacks, [""; 0]);
    assert!(found.paths.iter().all(|path| path.is_dir()), "{found:?}");
    assert!(found.paths.contains(&dir), "{found:?}");
    lab.sh(
        &worktree.path,
        &["commit", "-q", "--allow-empty", "-m", "work"],
    );
    lab.sh(&place, &["pack-refs", "--all", "--prune"]);
    assert!(dir.is_dir(), "it stays");
    lab.sh(&place, &["fsck", "--strict"]);
    assert_eq!(
        lab.sh(
            &place,
            &["for-each-ref", "--format=%(refname)", "refs/heads/"]
        ),
        "refs/heads/main\nrefs/heads/run/spec"
    );
}

#[tokio::test]
async fn branches_of_the_users_among_those_of_runs_are_named() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.sh(&lab.repo(), &["branch", "run/of-mine"]);
    lab.sh(&lab.repo(), &["branch", "runner"]);
    let lacks = writable(&repo, &worktree).await.expect("it is found").lacks;
    assert!(
        lacks.len() == 1 && lacks[0].contains("run/: run/of-mine;"),
        "{lacks:?}"
    );
}

#[tokio::test]
async fn what_extensions_of_git_write_at_a_commit_is_open_where_it_is_there() {
    let (_lab, repo, worktree) = with_worktree().await;
    let places = ["lfs", "rr-cache"].map(|name| repo.common_dir.join(name));
    let before = writable(&repo, &worktree).await.expect("it is found").paths;
    assert!(places.iter().all(|it| !before.contains(it)), "{before:?}");
    for place in &places {
        std::fs::create_dir(place).expect("a directory");
    }
    let found = writable(&repo, &worktree).await.expect("it is found").paths;
    assert!(places.iter().all(|it| found.contains(it)), "{found:?}");
}

#[tokio::test]
async fn where_refs_are_kept_in_one_table_it_is_open_and_that_is_told() {
    let lab = Lab::new().await;
    let place = lab.at("table");
    std::fs::create_dir(&place).expect("a directory");
    let (known, _) = lab.git(&place, &["init", "-q", "--ref-format=reftable"]);
    if !known {
        return not_tried("tables of refs", "this git has none");
    }
    lab.start("table");
    let repo = Repo::open(&lab.git, &place).await.expect("it opens");
    let prepared = prepare_worktree(&repo, &want("r1")).await;
    let worktree = ready(prepared.expect("it is prepared"));
    let found = writable(&repo, &worktree).await.expect("it is found");
    assert!(found.paths.contains(&repo.common_dir.join("reftable")));
    assert!(found.paths.iter().all(|path| path.is_dir()), "{found:?}");
    let lacks = &found.lacks;
    assert!(
        lacks.len() == 1 && lacks[0].contains("one table"),
        "{lacks:?}"
    );
}

#[tokio::test]
async fn an_agent_that_moves_the_branch_of_a_run_at_rest_holds_its_own_run() {
    let estate = Estate::new(ONE_TASK).await;
    let house = &estate.house;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let first = house.create(&estate.repo, None, settings.clone()).await;
    house.rests(&first, State::Completed).await;
    house.settled(&first).await;
    let before = estate.repo.git(&["rev-parse", "run/thing"]);
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ git = ["update-ref", "refs/heads/run/thing", "HEAD"] }, { tick = "next" }, { commit = "Mine" }]
    "#;
    let second = house
        .create(&estate.repo, Some(script), settings.clone())
        .await;
    let why = house.held(&second, "plan_tampered").await;
    assert!(why.contains(&format!("run/thing from {before}")), "{why}");
    // A person has seen it; what is known is not held against the run again.
    let accept = Event::Resume {
        accept: true,
        note: None,
    };
    let _ = house.operate(&second, accept).await;
    house.wait(&second, |run| run.state != State::Paused).await;
    house.rests(&second, State::Completed).await;
    // Runs that move their own branches one after the other accuse nobody.
    let third = house.create(&estate.repo, None, settings).await;
    house.rests(&third, State::Completed).await;
}

/// Does its task when the test lets it.
fn at_the_turnstile(stile: &Turnstile) -> String {
    format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Mine\" }}, \"complete\"]\n",
        stile.sh()
    )
}

#[tokio::test]
async fn a_person_who_commits_in_the_checkout_of_a_run_at_rest_accuses_no_fenced_agent() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let (house, repo) = (&estate.house, &estate.repo);
    let settings = |sandbox| {
        json!({
            "merge_strategy": "none",
            "reviewer": false,
            "artifact_mode": "global",
            "sandbox": sandbox,
        })
    };
    let fails = "[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Half of it\" }, \"auth\"]\n";
    let first = house.create(repo, Some(fails), settings("guard")).await;
    house.failed(&first, "agent_auth").await;
    let made = house.settled(&first).await.facts.worktree;
    let path = made.expect("a worktree").path;
    let commit = || {
        let args = ["commit", "--quiet", "--allow-empty", "--message", "Mine"];
        repo.git(&[&["-C", &path][..], &args].concat());
    };
    let doors = tempfile::tempdir().expect("a directory");
    let mut stile = Turnstile::new(doors.path(), "agent");
    let waits = at_the_turnstile(&stile);

    let second = house.create(repo, Some(&waits), settings("guard")).await;
    stile.somebody().await;
    commit();
    commit();
    stile.open();
    house.rests(&second, State::Completed).await;
    house.settled(&second).await;

    // The same without a fence may have been the agent's doing, and so may a move that no checkout tells of.
    let third = house.create(repo, Some(&waits), settings("off")).await;
    stile.somebody().await;
    commit();
    stile.open();
    let why = house.held(&third, "plan_tampered").await;
    assert!(
        why.contains("run/thing from") && why.contains("if it was not you"),
        "{why}"
    );
    house.settled(&third).await;
    let script = r#"
        [[turn]]
        steps = [{ git = ["update-ref", "refs/heads/run/thing", "HEAD"] }, { tick = "next" }, { commit = "Mine" }]
    "#;
    let fourth = house.create(repo, Some(script), settings("guard")).await;
    let why = house.held(&fourth, "plan_tampered").await;
    assert!(why.contains("run/thing from"), "{why}");
}

#[tokio::test]
async fn runs_that_work_beside_each_other_accuse_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(3, 3)).await;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let [mut before, mut after, mut agent] =
        ["before", "after", "agent"].map(|name| Turnstile::new(repo.outside(), name));
    let fails = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Half of it" }, "auth"]
        [[turn]]
        steps = [{ write = { path = "more", text = "more\n" } }, { commit = "The rest" }, "complete"]
    "#;
    let first = house.create(&repo, Some(fails), settings.clone()).await;
    house.failed(&first, "agent_auth").await;
    house.settled(&first).await;
    let commits = format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Its own\" }}, {{ sh = \"{}\" }}, \"complete\"]\n",
        before.sh(),
        after.sh()
    );
    let second = house.create(&repo, Some(&commits), settings.clone()).await;
    before.somebody().await;
    let waits = at_the_turnstile(&agent);
    let third = house.create(&repo, Some(&waits), settings).await;
    agent.somebody().await;
    // One that was at rest is tried again, works and rests; one that works all the while commits.
    let _ = house.operate(&first, RETRY).await;
    house.wait(&first, |run| run.state != State::Failed).await;
    house.rests(&first, State::Completed).await;
    house.settled(&first).await;
    before.open();
    after.somebody().await;
    agent.open();
    house.rests(&third, State::Completed).await;
    after.open();
    house.rests(&second, State::Completed).await;
}

/// A run that has failed with half of its work committed, and a file in its worktree that is not; and the worktree.
async fn leaves_something(house: &House, repo: &Repository, settings: &Value) -> (RunId, PathBuf) {
    let fails = "[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Half of it\" }, \"auth\"]\n";
    let id = house.create(repo, Some(fails), settings.clone()).await;
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    let made = PathBuf::from(house.worktree(&id).await.path);
    std::fs::write(made.join("left"), "left\n").expect("a file");
    (id, made)
}

#[tokio::test]
async fn a_scrap_of_one_run_does_not_accuse_the_agent_of_another() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let (first, _) = leaves_something(&house, &repo, &settings).await;
    let before = repo.git(&["rev-parse", "run/thing"]);

    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Mine\" }}, \"complete\"]\n",
        stile.sh()
    );
    let second = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let it = house.handed(&first, handover::Event::Scrap).await;
    assert_eq!(it.state, handover::State::Scrapped, "{:?}", it.facts.snag);
    let after = repo.git(&["rev-parse", "run/thing"]);
    assert_ne!(after, before, "what was left is committed");
    stile.open();
    house.rests(&second, State::Completed).await;
}

#[tokio::test]
async fn a_scrap_that_cannot_take_the_worktree_does_not_accuse_the_agent_of_another() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let (first, made) = leaves_something(&house, &repo, &settings).await;
    repo.git(&["init", "--quiet", &made.join("own").display().to_string()]);
    let before = repo.git(&["rev-parse", "run/thing"]);

    let mut stile = Turnstile::new(repo.outside(), "agent");
    let waits = at_the_turnstile(&stile);
    let second = house.create(&repo, Some(&waits), settings).await;
    stile.somebody().await;
    let it = house.handed(&first, handover::Event::Scrap).await;
    assert!(it.facts.snag.is_some(), "it stays");
    let after = repo.git(&["rev-parse", "run/thing"]);
    assert_ne!(after, before, "what was left is committed");
    stile.open();
    house.rests(&second, State::Completed).await;
}

#[tokio::test]
async fn a_run_that_works_between_two_pauses_accuses_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(3, 3)).await;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let [mut before, mut after, mut agent] =
        ["before", "after", "agent"].map(|name| Turnstile::new(repo.outside(), name));
    let commits = format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Its own\" }}, {{ sh = \"{}\" }}]\n",
        before.sh(),
        after.sh()
    );
    let first = house.create(&repo, Some(&commits), settings.clone()).await;
    before.somebody().await;
    let rests = async || {
        let _ = house.operate(&first, Event::Pause).await;
        let gone = |run: &agent_loop::store::StoredRun| run.facts.step.is_none();
        house
            .wait(&first, |run| run.state == State::Paused && gone(run))
            .await;
        house.settled(&first).await;
    };
    rests().await;
    let tip = repo.git(&["rev-parse", "run/thing"]);
    let waits = at_the_turnstile(&agent);
    let second = house.create(&repo, Some(&waits), settings).await;
    agent.somebody().await;
    house.resume(&first).await;
    before.somebody().await;
    before.open();
    after.somebody().await;
    rests().await;
    assert_ne!(repo.git(&["rev-parse", "run/thing"]), tip, "it has worked");
    agent.open();
    house.rests(&second, State::Completed).await;
}
