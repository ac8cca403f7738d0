//! What a daemon does once more, because the one before it died in the middle: it comes to what it would have come to.

use std::path::Path;

use agent_loop::core::run::{RunId, State};
use agent_loop::crash::Place;
use agent_loop::daemon::Request;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, request};

/// A daemon that dies at this place of an effect of its only run; what the next one finds is up to the test.
async fn dies_at(repo: &Repository, place: Place, name: &str, ask: Request) -> RunId {
    let (house, crash) = House::dying(repo, place, name).await;
    let id = house.try_create(ask).await.expect("a run");
    house.dies_of(crash).await;
    id
}

#[tokio::test]
async fn what_was_kept_of_a_step_is_told_by_the_next_daemon_too() {
    let repo = Repository::with_plan(ONE_TASK);
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "half", text = "half\n" } }, "auth"]
    "#;
    let ask = request(&repo, Some(script), json!({}));
    let id = dies_at(&repo, Place::Acted, "start_agent", ask).await;
    let house = House::over(&repo).await;
    let why = house.failed(&id, "agent_auth").await;
    let kept = "what it left uncommitted is kept in a marked commit";
    assert!(why.contains(kept), "{why}");
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    house.check().await;
}

#[tokio::test]
async fn what_was_there_before_the_checks_is_not_theirs() {
    let repo = Repository::with_plan(ONE_TASK);
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "good", text = "" } }, "complete"]
    "#;
    let settings = json!({
        "reviewer": false,
        "verify_cmds": ["echo left > left; test -e good"],
    });
    let ask = request(&repo, Some(script), settings);
    let id = dies_at(&repo, Place::Begun, "start_checks", ask).await;
    // A person looks into the worktree between the daemons, and leaves something.
    let place = repo.git(&["worktree", "list", "--porcelain"]);
    let mut places = place.lines().filter_map(|it| it.strip_prefix("worktree "));
    let place = places.next_back().expect("the run's");
    std::fs::write(Path::new(place).join("late"), "late\n").expect("a file");
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", "late"), "late");
    let merged = repo.git(&["ls-tree", "--name-only", "agent/thing"]);
    assert!(!merged.contains("left"), "{merged}");
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_is_called_by_the_next_daemon_is_told_its_skills_as_by_the_first() {
    let repo = Repository::with_plan("# Plan\n\n- [ ] first thing (skill: carving)\n");
    let skill = "---\nname: carving\ndescription: Wood\n---\nCut along the grain.\n";
    repo.write(".loop/skills/carving/SKILL.md", skill);
    repo.commit_all("Write down how it is done");
    let settings = json!({ "skills_enabled": true, "reviewer": false });
    let ask = request(&repo, None, settings);
    let id = dies_at(&repo, Place::Calling, "keeper", ask).await;
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    for kind in ["SKILLS_DISCOVERED", "SKILLS_SELECTED"] {
        let told = house.told(&id, kind).await;
        assert_eq!(told.len(), 1, "{told:?}");
    }
    house.check().await;
}
