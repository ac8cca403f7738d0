//! A repository that the user whom loopd runs as may not use for a while: the run waits for a person, who is told what is the
//! matter, and goes on from there.

use std::fs;

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, as_an_ordinary_user};

/// The first call sets the mode of this place in git's own directory; what is there is closed from then on.
async fn held_and_mended(place: &str, mode: &str) {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let closed = repo.root.join(".git").join(place);
    let before = fs::metadata(&closed).expect("it is there").permissions();
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"chmod {mode} '{}'\" }}]\n",
        closed.display()
    );
    let settings = json!({ "reviewer": false, "verify_cmds": ["true"], "artifact_mode": "global" });
    let id = house.create(&repo, Some(&script), settings).await;
    let why = house.held(&id, "permission_denied").await;
    house.settled(&id).await;
    fs::set_permissions(&closed, before).expect("opened");
    for word in [
        "permission denied",
        "as the user that loopd runs as",
        "chmod",
        closed.to_str().expect("text").trim_end_matches('/'),
    ] {
        assert!(why.contains(word), "{word}: {why}");
    }
    for untrue in ["moved", "removed", "damaged", "busy"] {
        assert!(!why.contains(untrue), "{untrue}: {why}");
    }
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    house.check().await;
}

#[test]
fn a_repository_that_is_closed_meanwhile_holds_the_run_which_goes_on_when_it_is_open_again() {
    as_an_ordinary_user(async || held_and_mended("", "000").await);
}
