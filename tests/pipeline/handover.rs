//! What a person does with an ended run: merge and scrap, on real repositories; what is in the way, by name. Who dies in the
//! middle of it: `handover_dying`.

use agent_loop::core::handover::{Event, State as Handover};
use agent_loop::core::run::{self, MergeStrategy, RunId, State};
use agent_loop::store::HandoverAnswer;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, RETRY, Repository};

/// Does the task by a file of its own.
const MAKES: &str = r#"
    [[turn]]
    steps = [{ write = { path = "made", text = "by the agent\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
"#;

/// A completed run that was not to merge.
pub(super) async fn proved(repo: &Repository, house: &House, target: Option<&str>) -> RunId {
    let mut settings = json!({ "merge_strategy": "none", "verify_cmds": ["true"] });
    if let Some(target) = target {
        settings["merge_target_branch"] = target.into();
    }
    let id = house.create(repo, Some(MAKES), settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    id
}

/// A canceled run with half a work in its worktree.
pub(super) async fn canceled(repo: &Repository, house: &House) -> RunId {
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "half", text = "half\n" } }, { tick = "next" }, { commit = "Half" }, "auth"]
    "#;
    let id = house.create(repo, Some(script), json!({})).await;
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    id
}

fn later() -> run::Event {
    run::Event::RetryMerge {
        merge_strategy: MergeStrategy::Squash,
    }
}

#[tokio::test]
async fn a_merge_makes_the_missing_target_with_exactly_the_verified_tree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = proved(&repo, &house, None).await;
    assert!(!repo.has("agent/thing"));
    let before = repo.checkout();
    let it = house.handed(&id, Event::Merge).await;
    assert_eq!(it.state, Handover::Merged);
    let run = house.run(&id).await;
    let tree = repo.git(&["rev-parse", "agent/thing^{tree}"]);
    assert_eq!(Some(tree), run.facts.verified_tree);
    assert_eq!(
        Some(repo.git(&["rev-parse", "agent/thing"])),
        it.facts.merge_commit
    );
    assert_eq!(
        repo.git(&["rev-parse", "agent/thing^"]),
        repo.git(&["rev-parse", "main"])
    );
    assert_eq!(repo.checkout(), before);
    let again = house.hand(&id, Event::Merge).await;
    assert_eq!(again, HandoverAnswer::Ignored("the work is merged already"));
    assert_eq!(house.told(&id, "MERGE_FINISHED").await.len(), 1);
    house.check().await;
}

#[tokio::test]
async fn a_target_that_has_moved_is_refused_and_a_retry_brings_them_together() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let id = proved(&repo, &house, None).await;
    let moved = repo.commit_on("agent/thing", "other", "other\n");
    let it = house.handed(&id, Event::Merge).await;
    assert_eq!(it.state, Handover::Proved);
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(snag.code, "target_moved");
    let hint = snag.hint.expect("a hint");
    assert!(
        hint.contains("retry") && hint.contains("--merge-strategy"),
        "{hint}"
    );
    assert_eq!(
        repo.git(&["rev-parse", "agent/thing"]),
        moved,
        "not touched"
    );
    super::operator::moved(&house, &id, later(), State::Queued).await;
    house.wait(&id, |run| run.state != State::Queued).await;
    house.wait_for(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", "other"), "other");
    assert_eq!(repo.at("agent/thing", "made"), "by the agent");
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    let again = house.hand(&id, Event::Merge).await;
    assert_eq!(again, HandoverAnswer::Ignored("the work is merged already"));
    house.settled(&id).await;
    house.check().await;
}

#[tokio::test]
async fn a_checkout_of_the_target_moves_by_fast_forward_or_names_what_is_in_the_way() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = proved(&repo, &house, Some("main")).await;
    repo.write("made", "by the user\n");
    let before = repo.checkout();
    let it = house.handed(&id, Event::Merge).await;
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(
        (it.state, snag.code.as_str()),
        (Handover::Proved, "target_held")
    );
    assert!(snag.message.contains("made"), "{}", snag.message);
    assert_eq!(repo.checkout(), before);
    std::fs::remove_file(repo.root.join("made")).expect("removed");
    let it = house.handed(&id, Event::Merge).await;
    assert_eq!(it.state, Handover::Merged);
    assert_eq!(it.facts.snag, None);
    assert_eq!(
        Some(repo.git(&["rev-parse", "main"])),
        it.facts.merge_commit
    );
    assert_eq!(repo.checkout().2, "", "the checkout came along");
    house.check().await;
}

#[tokio::test]
async fn a_branch_that_is_not_what_was_verified_is_not_merged() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = proved(&repo, &house, None).await;
    let branch = house
        .run(&id)
        .await
        .facts
        .worktree
        .expect("made")
        .run_branch;
    repo.commit_on(&branch, "sneaked", "in\n");
    let it = house.handed(&id, Event::Merge).await;
    assert_eq!(it.facts.snag.expect("a snag").code, "branch_moved");
    assert!(!repo.has("agent/thing"));
}

#[tokio::test]
async fn a_scrap_saves_what_was_left_removes_the_worktree_and_keeps_the_branch() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled(&repo, &house).await;
    let made = house.worktree(&id).await;
    std::fs::write(std::path::Path::new(&made.path).join("left"), "left\n").expect("written");
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped, "{:?}", it.facts.snag);
    assert!(!std::fs::exists(&made.path).expect("looked"));
    assert_eq!(repo.at(&made.run_branch, "left"), "left");
    assert_eq!(repo.at(&made.run_branch, "half"), "half");
    let run = house.run(&id).await;
    assert!(run.facts.worktree_removed);
    assert_eq!(house.told(&id, "WORKTREE_REMOVED").await.len(), 1);
    let scrapped = "the run is scrapped; create a new one";
    super::operator::refused(
        &house,
        &id,
        &[(RETRY, scrapped), (run::Event::Reset, scrapped)],
    )
    .await;
    let again = house.hand(&id, Event::Scrap).await;
    assert_eq!(
        again,
        HandoverAnswer::Ignored("the run is scrapped already")
    );
    house.check().await;
}

#[tokio::test]
async fn a_worktree_that_holds_something_of_its_own_is_not_scrapped() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled(&repo, &house).await;
    let made = house.worktree(&id).await;
    let nested = std::path::Path::new(&made.path).join("nested");
    repo.git(&["init", "--quiet", &nested.display().to_string()]);
    let it = house.handed(&id, Event::Scrap).await;
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(
        (it.state, snag.code.as_str()),
        (Handover::GivenUp, "worktree_kept")
    );
    assert!(snag.message.contains("nested"), "{}", snag.message);
    assert!(nested.is_dir());
    std::fs::remove_dir_all(&nested).expect("removed");
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped, "{:?}", it.facts.snag);
    house.check().await;
}

#[tokio::test]
async fn commits_that_no_branch_has_get_a_rescue_ref_when_their_worktree_goes() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled(&repo, &house).await;
    let made = house.worktree(&id).await;
    repo.git(&["-C", &made.path, "switch", "--quiet", "--detach"]);
    std::fs::write(std::path::Path::new(&made.path).join("loose"), "loose\n").expect("written");
    repo.git(&["-C", &made.path, "add", "loose"]);
    repo.git(&["-C", &made.path, "commit", "--quiet", "--message", "Loose"]);
    let loose = repo.git(&["-C", &made.path, "rev-parse", "HEAD"]);
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped, "{:?}", it.facts.snag);
    let rescue = format!("refs/loopd/rescue/{id}");
    assert_eq!(repo.git(&["rev-parse", &rescue]), loose);
    assert!(!std::fs::exists(&made.path).expect("looked"));
}

#[tokio::test]
async fn every_worktree_of_a_run_that_was_reset_is_scrapped_with_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled(&repo, &house).await;
    let old = house.worktree(&id).await;
    super::operator::moved(&house, &id, run::Event::Reset, State::Queued).await;
    house.wait(&id, |run| run.state != State::Failed).await;
    house.failed(&id, "agent_auth").await;
    house.settled(&id).await;
    let new = house.worktree(&id).await;
    assert_ne!(old.path, new.path);
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped, "{:?}", it.facts.snag);
    for made in [old, new] {
        assert!(!std::fs::exists(&made.path).expect("looked"));
        repo.git(&["rev-parse", "--verify", &made.run_branch]);
    }
    house.check().await;
}

#[tokio::test]
async fn a_run_that_never_had_a_branch_is_scrapped_all_the_same() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let id = house.create(&repo, None, json!({})).await;
    super::operator::moved(&house, &id, run::Event::Cancel, State::Canceled).await;
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped);
    house.check().await;
}
