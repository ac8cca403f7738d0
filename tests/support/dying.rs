//! Daemons of this process that die at a place in their work, and keepers that are killed. What the next daemon makes of it is
//! up to the test; deaths of every kind at every place are in `sweep`.

use std::path::{Path, PathBuf};

use agent_loop::core::run::{Event, RunId};
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::daemon;
use agent_loop::effect::keeper::{self, Found, Handle};
use agent_loop::store::{self, Answer, Apply};
use rustix::process::{Pid, Signal, kill_process};

use super::asking::PATIENCE;
use super::{House, Options, Repository};

impl House {
    /// A daemon over the repository that dies when it comes to this place for the first time; and its death, to wait for.
    pub async fn dying(repo: &Repository, place: Place, name: &str) -> (House, Crash) {
        let crash = Crash::at(CrashPoint {
            place,
            name: Some(name.to_owned()),
            nth: 1,
            death: Death::Quit,
        });
        let options = Options {
            crash: crash.clone(),
            ..Options::default()
        };
        let house = House::open(&repo.outside().join("data"), &options).await;
        (house, crash)
    }

    /// Waits until it has come to that, and takes it down.
    pub async fn dies_of(self, crash: Crash) {
        let death = tokio::time::timeout(PATIENCE, crash.died()).await;
        death.expect("the daemon dies");
        self.die().await;
    }

    /// The directory of the newest step of a phase.
    pub async fn step_dir(&self, id: &RunId, phase: &str) -> PathBuf {
        let steps = self.steps(id, phase).await;
        let last = steps.last().expect("a step").generation;
        self.dir(id).join("steps").join(last.to_string())
    }

    /// Kills the keeper of the newest step of a phase, and waits until it is gone.
    pub async fn kill_keeper(&self, id: &RunId, phase: &str) {
        kill_keeper(&self.step_dir(id, phase).await).await;
    }
}

/// Stores events of a run as a daemon does in its last moment: each moves the run, and nobody performs what that asks for.
pub async fn stored_by_the_dead(
    repo: &Repository,
    id: &RunId,
    events: impl IntoIterator<Item = Event>,
) {
    let data = repo.outside().join("data");
    let (writer, _) = store::open(&data, store::Options::default()).expect("a store");
    for event in events {
        let apply = Apply::new(id.clone(), event, daemon::now());
        let applied = writer.apply(apply).await.expect("stored");
        assert!(matches!(applied.answer, Answer::Moved(_)), "{applied:?}");
    }
    writer.close().await;
}

/// The keeper of a step, which has to live.
pub fn keeper_in(dir: &Path) -> Handle {
    let Found::Alive(keeper) = keeper::find(dir).expect("a record") else {
        panic!("no keeper lives in {}", dir.display());
    };
    keeper
}

/// Kills the keeper of a step, and waits until it is gone.
pub async fn kill_keeper(dir: &Path) {
    let keeper = keeper_in(dir);
    let pid = keeper.record().expect("a keeper").identity.pid;
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("killed");
    let _ = keeper.wait().await.expect("an end");
}
