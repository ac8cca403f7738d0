//! What a person can still do with a run after its clean-up: its commits are kept, and every way to them is told.

use agent_loop::core::handover::{Event, State as Handover};
use agent_loop::core::run::{self, MergeStrategy, State};

use super::ONE_TASK;
use super::cleaning::{COMMITS_AND_FAILS, failed};
use super::collecting::{collect, completed};
use super::operator::moved;
use crate::support::{House, Repository};

#[tokio::test]
async fn a_proved_run_that_nobody_merged_in_time_says_how_it_still_is() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = completed(&house, &repo, "none").await;
    let tip = repo.git(&["rev-parse", "run/thing"]);
    let gone = collect(&house, false).await;
    let rescue = format!("refs/loopd/rescue/{id}");
    assert_eq!(
        gone.branches,
        [("run/thing".to_owned(), Some(rescue.clone()))]
    );
    for ask in [Event::Merge, Event::Pr] {
        let it = house.handed(&id, ask).await;
        assert_eq!(it.state, Handover::Proved);
        let snag = it.facts.snag.expect("a snag");
        assert_eq!(snag.code, "branch_gone", "{snag:?}");
        for words in ["removed by the clean-up", &*tip, "its commits are kept"] {
            assert!(snag.message.contains(words), "{words}: {snag:?}");
        }
        let hint = snag.hint.expect("a hint");
        assert!(
            hint.contains(&format!("loopctl retry {id} --merge-strategy squash")),
            "{hint}"
        );
    }
    assert!(!repo.has("agent/thing"), "nothing was merged");
    assert_eq!(repo.git(&["rev-parse", &rescue]), tip);
    // And it is as the hint says.
    let later = run::Event::RetryMerge {
        merge_strategy: MergeStrategy::Squash,
    };
    moved(&house, &id, later, State::Queued).await;
    house.wait(&id, |run| run.state != State::Queued).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
    assert_eq!(house.steps(&id, "verification").await.len(), 2);
    assert_eq!(repo.git(&["rev-parse", "run/thing"]), tip);
    assert_eq!(
        repo.git(&["rev-parse", "agent/thing^{tree}"]),
        repo.git(&["rev-parse", &format!("{tip}^{{tree}}")])
    );
    house.check().await;
}

#[tokio::test]
async fn a_branch_that_a_person_removed_is_not_made_anew_behind_their_back() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = completed(&house, &repo, "none").await;
    repo.git(&["branch", "--quiet", "-D", "run/thing"]);
    let it = house.handed(&id, Event::Merge).await;
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(
        (snag.code.as_str(), snag.message.as_str()),
        ("branch_gone", "run/thing is gone")
    );
    assert!(!repo.has("run/thing"));
    house.check().await;
}

#[tokio::test]
async fn a_failed_run_has_nothing_to_request_after_its_clean_up_and_says_what_brings_it_back() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = failed(&house, &repo, COMMITS_AND_FAILS).await;
    assert!(collect(&house, false).await.files);
    let it = house.handed(&id, Event::Pr).await;
    let snag = it.facts.snag.expect("a snag");
    assert_eq!(snag.code, "branch_gone", "{snag:?}");
    let hint = snag.hint.expect("a hint");
    assert!(hint.contains(&format!("loopctl retry {id}`")), "{hint}");
    // To throw away what is gone already is no error.
    let it = house.handed(&id, Event::Scrap).await;
    assert_eq!(it.state, Handover::Scrapped, "{:?}", it.facts.snag);
    house.check().await;
}
