//! What runs leave behind: shown, and removed when a person asks for it. What may go is proved in the effect room; what a
//! run allows is the table's to say. Every removal is an effect in the lane of its run, so that none comes between a run
//! and its agent.

mod error;
mod list;
mod path;
mod remove;

use std::path::Path;

pub use error::CleanError;
pub use list::{Listing, Shown, Stray};
pub use remove::Removed;

use super::handle::{AskError, Gone, Handle};
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
}

impl Cleaner {
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
