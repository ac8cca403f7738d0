//! What runs leave behind: shown, removed when a person asks for it, and collected when their time is over. What may go is proved in the effect room; what a
//! run allows is the table's to say. Every removal is an effect in the lane of its run, so that none comes between a run
//! and its agent.

mod collect;
mod error;
mod list;
mod path;
mod remove;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

pub use collect::{Collected, Collection};
pub use error::CleanError;
pub use list::{Listing, Shown, Stray};
pub use remove::Removed;

use super::handle::{AskError, Gone, Handle};
use crate::core::time::Time;
use crate::effect::git::{Git, GitError, Repo};
use crate::store::{Reader, StoredEffect};

/// Shows and removes what runs leave behind.
#[derive(Clone)]
pub struct Cleaner {
    /// Takes the events.
    pub engine: Handle,
    /// Knows the runs.
    pub reader: Reader,
    /// Looks into the repositories.
    pub git: Git,
    /// The data directory, absolute.
    pub data_dir: PathBuf,
    /// Days after its end for which everything of a run is kept; 0: for ever.
    pub retention_days: u32,
    /// The wall clock.
    pub now: fn() -> Time,
    /// One clean-up at a time.
    turn: Arc<Mutex<()>>,
}

impl Cleaner {
    /// A cleaner for this daemon.
    pub fn new(
        engine: Handle,
        reader: Reader,
        git: Git,
        data_dir: PathBuf,
        retention_days: u32,
        now: fn() -> Time,
    ) -> Self {
        Cleaner {
            engine,
            reader,
            git,
            data_dir,
            retention_days,
            now,
            turn: Arc::default(),
        }
    }

    async fn repo(&self, workspace_key: &str) -> Result<Repo, GitError> {
        Repo::open(&self.git, Path::new(workspace_key)).await
    }

    /// Waits until an effect has been performed and its report is stored.
    async fn performed(&self, effect: &StoredEffect) -> Result<(), AskError> {
        let mut told = self.engine.told();
        loop {
            told.borrow_and_update();
            if !self.reader.is_pending(effect.id).await? {
                return Ok(());
            }
            told.changed().await.map_err(|_| Gone)?;
        }
    }
}
