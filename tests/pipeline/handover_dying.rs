//! Daemons and gits that die in the middle of a merge or a scrap: it is made once, and what was half done is taken back.

use agent_loop::core::handover::{Effect, Event, State as Handover};
use agent_loop::core::run::{LiveStep, RunId, State};
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::effect::{HandoverOrder, hand_over};
use agent_loop::store::{EffectId, HandoverEffect};
use serde_json::json;

use super::ONE_TASK;
use super::handover::{canceled, proved};
use crate::support::{House, Options, Repository};

/// A daemon over an ended run that dies at one commit of its handover (the first is what is asked for, the second the
/// report); the next daemon.
async fn dies_at(
    repo: &Repository,
    house: House,
    id: &RunId,
    event: Event,
    at: &CrashPoint,
) -> House {
    let data = repo.outside().join("data");
    house.die().await;
    let options = Options {
        crash: Crash::at(at.clone()),
        ..Options::default()
    };
    let house = House::open(&data, &options).await;
    let asked = house.handle.hand_over(id.clone(), event).await;
    assert_eq!(asked.is_ok(), at.nth == 2, "{at}");
    if at.nth == 2 {
        // The work is done when the daemon dies, and nobody was told.
        house.until_the_store_is_gone().await;
    }
    house.die().await;
    House::open(&data, &Options::default()).await
}

fn every_commit() -> impl Iterator<Item = CrashPoint> {
    let death = Death::Quit;
    [Place::Before, Place::After]
        .into_iter()
        .flat_map(move |place| {
            [1, 2].map(|nth| CrashPoint {
                place,
                name: None,
                nth,
                death,
            })
        })
}

#[tokio::test]
async fn a_merge_that_a_dying_daemon_has_begun_is_made_once() {
    for at in every_commit() {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let id = proved(&repo, &house, None).await;
        let house = dies_at(&repo, house, &id, Event::Merge, &at).await;
        let it = house.handed_over(&id).await;
        let asked = (at.place, at.nth) != (Place::Before, 1);
        let expected = if asked {
            Handover::Merged
        } else {
            Handover::Proved
        };
        assert_eq!(it.state, expected, "{at}: {:?}", it.facts.snag);
        if asked {
            let made = repo.git(&["rev-list", "--count", "main..agent/thing"]);
            assert_eq!(made, "1", "{at}");
            assert_eq!(
                Some(repo.git(&["rev-parse", "agent/thing"])),
                it.facts.merge_commit
            );
        }
        house.check().await;
    }
}

#[tokio::test]
async fn a_scrap_that_a_dying_daemon_has_begun_is_finished() {
    for at in every_commit() {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let id = canceled(&repo, &house).await;
        let made = house.worktree(&id).await;
        let house = dies_at(&repo, house, &id, Event::Scrap, &at).await;
        let it = house.handed_over(&id).await;
        let asked = (at.place, at.nth) != (Place::Before, 1);
        let expected = if asked {
            Handover::Scrapped
        } else {
            Handover::GivenUp
        };
        assert_eq!(it.state, expected, "{at}: {:?}", it.facts.snag);
        assert_eq!(std::fs::exists(&made.path).expect("looked"), !asked, "{at}");
        assert_eq!(house.run(&id).await.facts.worktree_removed, asked, "{at}");
        house.check().await;
    }
}

/// The next git that writes the file `made` into the user's checkout is killed, where there is a file `armed`.
fn mortal(repo: &Repository) -> std::path::PathBuf {
    let armed = repo.outside().join("armed");
    repo.write(".gitattributes", "made filter=mortal\n");
    repo.write("after", "old\n");
    repo.commit_all("filter");
    let smudge = format!(
        "case $PWD in {}) rm '{}' 2>/dev/null && kill -9 $PPID;; esac; cat",
        repo.root.display(),
        armed.display()
    );
    repo.git(&["config", "filter.mortal.smudge", &smudge]);
    armed
}

/// A completed run that was not to merge, with files before and after the one at which git is killed.
async fn proved_with_more(repo: &Repository, house: &House) -> RunId {
    let script = r#"
        [[turn]]
        steps = [
            { write = { path = "after", text = "new\n" } },
            { write = { path = "before", text = "before\n" } },
            { write = { path = "made", text = "by the agent\n" } },
            { tick = "next" },
            { commit = "Make" },
            "complete",
        ]
    "#;
    let settings = json!({
        "merge_strategy": "none",
        "verify_cmds": ["true"],
        "merge_target_branch": "main",
    });
    let id = house.create(repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    id
}

#[tokio::test]
async fn a_merge_whose_git_is_killed_leaves_the_checkout_as_it_was_and_the_next_one_merges() {
    let repo = Repository::with_plan(ONE_TASK);
    let armed = mortal(&repo);
    let house = House::over(&repo).await;
    let id = proved_with_more(&repo, &house).await;
    let (branch, head, status, _) = repo.checkout();
    std::fs::write(&armed, "").expect("a file");
    let it = house.handed(&id, Event::Merge).await;
    assert!(!armed.exists(), "it was killed");
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(
        (it.state, snag.code.as_str()),
        (Handover::Proved, "git_busy")
    );
    assert_eq!(snag.hint.as_deref(), Some("ask again"));
    let now = repo.checkout();
    assert_eq!((now.0, now.1, now.2), (branch, head, status));
    let it = house.handed(&id, Event::Merge).await;
    assert_eq!(it.state, Handover::Merged, "{:?}", it.facts.snag);
    assert_eq!(repo.checkout().2, "", "the checkout came along");
    house.check().await;
}

#[tokio::test]
async fn what_the_merge_of_a_daemon_left_that_died_with_its_git_is_taken_back_by_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let armed = mortal(&repo);
    let house = House::over(&repo).await;
    let id = proved_with_more(&repo, &house).await;
    std::fs::write(&armed, "").expect("a file");
    house.die().await;
    let (house, crash) = House::dying(&repo, Place::Called, "merge").await;
    let _ = house.hand(&id, Event::Merge).await;
    house.dies_of(crash).await;
    assert!(!armed.exists(), "its git was killed");
    assert_ne!(
        repo.checkout().2,
        "",
        "nobody has looked after what it left"
    );
    let house = House::over(&repo).await;
    let it = house.handed_over(&id).await;
    assert_eq!(it.state, Handover::Merged, "{:?}", it.facts.snag);
    assert_eq!(repo.checkout().2, "", "the checkout came along");
    assert_eq!(
        Some(repo.git(&["rev-parse", "main"])),
        it.facts.merge_commit
    );
    house.check().await;
}

#[tokio::test]
async fn nothing_is_scrapped_under_a_step_that_is_not_known_to_be_gone() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = canceled(&repo, &house).await;
    let mut run = house.run(&id).await;
    let path = run.facts.worktree.clone().expect("a worktree").path;
    // As it stands while the end of a step is known and cannot be stored.
    run.facts.step = Some(LiveStep {
        generation: run.facts.generation,
        phase: "implementation".to_owned(),
    });
    let effect = HandoverEffect {
        id: EffectId(0),
        run_id: id,
        generation: 1,
        effect: Effect::Scrap,
    };
    let order = HandoverOrder { effect, run };
    let done = hand_over(&house.world, &order).await;
    let Event::Failed { snag, .. } = done.event else {
        panic!("{done:?}");
    };
    assert_eq!(snag.code, "step_alive", "{}", snag.message);
    assert!(std::fs::exists(&path).expect("looked"));
}
