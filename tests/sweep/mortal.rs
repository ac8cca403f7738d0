//! A daemon that may die at any moment, in this process or outside: one set of words for both. What is done with it is in
//! `life`.

use std::collections::BTreeMap;
use std::pin::Pin;

use agent_loop::core::run::RunId;
use agent_loop::crash::{CrashPoint, Place};
use agent_loop::store::Reader;

use super::inside::Inside;
use super::outside::Outside;
use super::scenario::Wish;
use super::scene::Scene;

/// Why something was not done: the daemon is dead, or dying.
#[derive(Debug)]
pub struct Dead(pub String);

/// A daemon that may die at any moment.
pub enum Daemon {
    Inside(Box<Inside>),
    Outside(Outside),
}

impl Daemon {
    /// Starts one over what is there; it dies at the point, or nowhere.
    pub(super) async fn start(
        kind: Where,
        scene: &Scene,
        point: Option<&CrashPoint>,
    ) -> Result<Daemon, Dead> {
        match kind {
            Where::Inside => Ok(Daemon::Inside(Box::new(Inside::start(scene, point).await))),
            Where::Outside => Ok(Daemon::Outside(Outside::start(scene, point).await?)),
        }
    }

    pub(super) fn reader(&self) -> &Reader {
        match self {
            Daemon::Inside(it) => &it.house().reader,
            Daemon::Outside(it) => it.reader(),
        }
    }

    pub(super) async fn create(&self, scene: &Scene, run: usize) -> Result<RunId, Dead> {
        match self {
            Daemon::Inside(it) => it.create(scene, run).await,
            Daemon::Outside(it) => it.create(scene, run).await,
        }
    }

    pub(super) async fn operate(&self, scene: &Scene, id: &RunId, wish: Wish) -> Result<(), Dead> {
        if wish == Wish::CleanUp {
            scene.ages();
        }
        match self {
            Daemon::Inside(it) => it.operate(id, wish).await,
            Daemon::Outside(it) => it.operate(id, wish).await,
        }
    }

    /// Waits until something may have changed.
    pub(super) async fn changed(&mut self) {
        match self {
            Daemon::Inside(it) => it.changed().await,
            Daemon::Outside(it) => it.changed().await,
        }
    }

    /// Waits for its death.
    pub(super) fn grave(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        match self {
            Daemon::Inside(it) => Box::pin(it.grave()),
            Daemon::Outside(it) => Box::pin(it.grave()),
        }
    }

    /// Takes it down.
    pub(super) async fn end(self) -> Ended {
        match self {
            Daemon::Inside(it) => it.end().await,
            Daemon::Outside(it) => it.end().await,
        }
    }
}

/// How a life ended.
pub struct Ended {
    /// At its point, with proof: by what name it passed there.
    pub at_point: Option<String>,
    /// How often each place was passed, where that is known.
    pub passed: Passed,
}

/// How often each place was passed, by name.
pub type Passed = BTreeMap<(Place, String), u64>;

/// Which kind of daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In this process.
    Inside,
    /// The real one.
    Outside,
}

/// Said by a daemon that was dead before it could be spoken to.
pub const DIED_EARLY: &str = "it died before it could be spoken to";

/// Under which a run is created, once.
pub fn key(run: usize) -> String {
    format!("run-{run}")
}
