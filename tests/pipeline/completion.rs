//! A spec becomes a merged branch.

use agent_loop::core::run::State;
use serde_json::json;

use crate::support::{House, Options, Repository};

const TWO_TASKS: &str = "# Plan\n\n- [ ] first thing\n- [ ] second thing\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_runs_to_a_squash_merge_on_its_own_branch() {
    let repo = Repository::with_plan(TWO_TASKS);
    let before = repo.checkout();
    let data = repo.outside().join("data");
    let house = House::open(&data, &Options::default()).await;
    let id = house
        .create(
            &repo,
            None,
            json!({ "verify_cmds": ["test -f specs/thing.md"] }),
        )
        .await;
    let run = house.rest(&id).await;
    assert_eq!(run.state, State::Completed, "{}", house.story(&id).await);
    let plan = repo.at("agent/thing", "specs/planning/thing-plan.md");
    assert_eq!(plan, "# Plan\n\n- [R] first thing\n- [R] second thing");
    assert_eq!(
        repo.git(&["rev-list", "--count", "main..agent/thing"]),
        "1",
        "one squash commit"
    );
    assert_eq!(repo.checkout(), before, "the user's checkout is as it was");
    house.check().await;
}
