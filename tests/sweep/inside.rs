//! A daemon in this process, which dies by going no further.

use std::time::Duration;

use agent_loop::core::handover;
use agent_loop::core::run::{Event, RunId};
use agent_loop::core::time::Time;
use agent_loop::crash::{Crash, CrashPoint};
use agent_loop::daemon::{self, Cleaner, Request};
use agent_loop::store::Idempotency;

use super::mortal::{Dead, Ended, key};
use super::scenario::Wish;
use super::scene::{LONG_AFTER_SEC, Scene};
use crate::support::{House, Options};

/// How long nothing is told before one looks again: agents write files, and nobody tells of those.
const LOOK: Duration = Duration::from_millis(100);

pub struct Inside {
    house: House,
    crash: Crash,
    told: tokio::sync::watch::Receiver<u64>,
}

impl Inside {
    pub async fn start(scene: &Scene, point: Option<&CrashPoint>) -> Inside {
        let crash = point.map_or_else(Crash::counting, |point| Crash::at(point.clone()));
        let options = Options {
            crash: crash.clone(),
            environment: vec![("PATH", scene.path())],
            ..Options::default()
        };
        let house = House::open(&scene.data(), &options).await;
        let told = house.handle.told();
        Inside { house, crash, told }
    }

    pub fn house(&self) -> &House {
        &self.house
    }

    pub async fn create(&self, scene: &Scene, run: usize) -> Result<RunId, Dead> {
        let request = Request {
            workspace_root: scene.repo.root.display().to_string(),
            spec_path: "specs/thing.md".to_owned(),
            overrides: scene.overrides(run),
            idempotency: Some(Idempotency {
                key: key(run),
                request_hash: "the same".to_owned(),
            }),
            ..Request::default()
        };
        let creating = self.house.creator.create(request, daemon::now());
        tokio::select! {
            created = creating => match created {
                Ok(created) => Ok(created.run.id),
                Err(error) => Err(Dead(error.to_string())),
            },
            () = self.crash.died() => Err(Dead("it died while a run was created".to_owned())),
        }
    }

    pub async fn operate(&self, id: &RunId, wish: Wish) -> Result<(), Dead> {
        let asked = async {
            let dead = |error: &dyn std::fmt::Display| Dead(error.to_string());
            match wish {
                Wish::Pause => self.event(id, Event::Pause).await,
                Wish::Cancel => self.event(id, Event::Cancel).await,
                Wish::Retry => {
                    let merge_strategy = None;
                    self.event(id, Event::Retry { merge_strategy }).await
                }
                Wish::Resume => {
                    let (accept, note) = (false, None);
                    self.event(id, Event::Resume { accept, note }).await
                }
                Wish::Merge => self.hand_over(id, handover::Event::Merge).await,
                Wish::PullRequest => self.hand_over(id, handover::Event::Pr).await,
                Wish::Scrap => self.hand_over(id, handover::Event::Scrap).await,
                Wish::CleanUp => match self.cleaner_long_after().collect(false).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(dead(&error)),
                },
            }
        };
        tokio::select! {
            said = asked => said,
            () = self.crash.died() => Err(Dead("it died while it was asked".to_owned())),
        }
    }

    async fn event(&self, id: &RunId, event: Event) -> Result<(), Dead> {
        let applied = self.house.handle.operate(id.clone(), event).await;
        applied.map(drop).map_err(|error| Dead(error.to_string()))
    }

    async fn hand_over(&self, id: &RunId, event: handover::Event) -> Result<(), Dead> {
        let handed = self.house.handle.hand_over(id.clone(), event).await;
        handed.map(drop).map_err(|error| Dead(error.to_string()))
    }

    /// The house's own, as it would be long after every end.
    fn cleaner_long_after(&self) -> Cleaner {
        let house = &self.house;
        Cleaner::new(
            house.handle.clone(),
            house.reader.clone(),
            house.creator.git.clone(),
            house.data.clone(),
            30,
            || Time(daemon::now().0 + LONG_AFTER_SEC * 1000),
        )
    }

    /// Waits for news, for a while, or for the death.
    pub async fn changed(&mut self) {
        tokio::select! {
            // An engine that is gone has died, or is about to be seen dead.
            _ = tokio::time::timeout(LOOK, self.told.changed()) => {}
            () = self.crash.died() => std::future::pending().await,
        }
    }

    pub fn grave(&self) -> impl Future<Output = ()> + use<> {
        let crash = self.crash.clone();
        async move { crash.died().await }
    }

    /// Takes it down.
    pub async fn end(self) -> Ended {
        let at_point = self.crash.died_at();
        self.house.die().await;
        Ended {
            at_point,
            passed: self.crash.passed(),
        }
    }
}
