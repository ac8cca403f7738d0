//! What is left of runs that ended longer ago than `retention_days`: looked at, and taken as far as nothing is lost. A run of
//! which something has to stay is looked at again each time, and told of nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Cleaner;
use super::error::CleanError;
use crate::core::run::{Facts, RunId};
use crate::core::time::Time;
use crate::effect::{Remain, Remains, remains};
use crate::store::{Answer, StoredRun};

/// How often the daemon cleans up by itself, beside once at its start.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What was taken of one run, or would be.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The run.
    pub run: StoredRun,
    /// Paths of worktrees.
    pub worktrees: Vec<String>,
    /// Branches, each with the rescue ref that was made for it, if any.
    pub branches: Vec<(String, Option<String>)>,
    /// The directory of its files.
    pub files: bool,
    /// What stays, and why.
    pub kept: Vec<String>,
}

/// One clean-up.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// The runs of which something went, would go, or has to stay; the longest ended first.
    pub runs: Vec<Collected>,
    /// Runs that could not be looked at, and why.
    pub problems: Vec<String>,
}

impl Cleaner {
    /// Cleans up now; with `dry_run`, only tells what would go. It goes on to its end although nobody waits for it.
    ///
    /// # Errors
    /// When the store cannot be read, or the daemon is ending.
    pub async fn collect(&self, dry_run: bool) -> Result<Collection, CleanError> {
        let cleaner = self.clone();
        let collecting = tokio::spawn(async move { cleaner.collect_in_turn(dry_run).await });
        match collecting.await {
            Ok(collected) => collected,
            Err(panic) => Err(CleanError::Bug(panic.to_string())),
        }
    }

    /// Cleans up at once and then daily, until the daemon ends. Where everything is kept for ever, there is nothing to do.
    pub async fn keep_clean(self, end: CancellationToken) {
        if self.retention_days == 0 {
            return;
        }
        loop {
            match self.collect(false).await {
                Ok(collection) => tell(&collection),
                Err(error) => tracing::warn!(%error, "failed to clean up"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = end.cancelled() => return,
            }
        }
    }

    async fn collect_in_turn(&self, dry_run: bool) -> Result<Collection, CleanError> {
        let mut collection = Collection::default();
        if self.retention_days == 0 {
            return Ok(collection);
        }
        let _turn = self.turn.lock().await;
        let end = Time((self.now)().0 - i64::from(self.retention_days) * DAY_MS);
        for id in self.reader.collectable(end).await? {
            match self.collect_one(&id, dry_run).await {
                Ok(collected) => collection.runs.extend(collected),
                Err(CleanError::Ask(gone)) => return Err(gone.into()),
                Err(error) => collection.problems.push(format!("run {id}: {error}")),
            }
        }
        Ok(collection)
    }

    async fn collect_one(
        &self,
        id: &RunId,
        dry_run: bool,
    ) -> Result<Option<Collected>, CleanError> {
        let Some(run) = self.reader.run(id).await? else {
            return Ok(None);
        };
        if run.facts.step.is_some() {
            let kept = vec!["a step of the run is not known to be gone".to_owned()];
            return Ok(Some(Collected {
                kept,
                ..untouched(run)
            }));
        }
        let left = remains(&self.git, &self.data_dir, &run)
            .await
            .map_err(CleanError::Look)?;
        let something_goes = left.all().any(|it| it.why_kept.is_none());
        // A run of which nothing is left is told so once, and not looked at again.
        let is_over = left.kept().is_empty();
        if dry_run || !(something_goes || is_over) {
            return Ok(shown(run, &left));
        }
        let applied = self.engine.collect(id.clone()).await?;
        let Answer::Moved(moved) = applied.answer else {
            // Started anew in this moment.
            return Ok(None);
        };
        for effect in &moved.effects {
            self.performed(effect).await?;
        }
        Ok(match self.reader.run(id).await? {
            Some(after) => told(&run.facts, after),
            None => None,
        })
    }
}

fn untouched(run: StoredRun) -> Collected {
    Collected {
        run,
        worktrees: Vec::new(),
        branches: Vec::new(),
        files: false,
        kept: Vec::new(),
    }
}

/// What would go, and what would stay; nothing to show where nothing is left.
fn shown(run: StoredRun, left: &Remains) -> Option<Collected> {
    let free = |it: &&Remain| it.why_kept.is_none();
    let name = |it: &Remain| it.name.clone();
    let branches = left.branches.iter().filter(free);
    let collected = Collected {
        worktrees: left.worktrees.iter().filter(free).map(name).collect(),
        branches: branches.map(|it| (it.name.clone(), None)).collect(),
        files: left.files.iter().any(|it| it.why_kept.is_none()),
        kept: left.kept(),
        ..untouched(run)
    };
    Some(collected).filter(worth_telling)
}

/// What went, by what the run knew before and knows now.
fn told(before: &Facts, after: StoredRun) -> Option<Collected> {
    let facts = &after.facts;
    let gone = facts
        .removals
        .iter()
        .filter(|it| it.removed && !before.removals.contains(it));
    let retired = facts
        .retired
        .iter()
        .filter(|it| !before.retired.contains(it));
    let collected = Collected {
        worktrees: gone.map(|it| it.path.clone()).collect(),
        branches: retired
            .map(|it| (it.branch.clone(), it.rescue.clone()))
            .collect(),
        files: facts.files_removed && !before.files_removed,
        kept: facts.kept_back.clone(),
        ..untouched(after.clone())
    };
    Some(collected).filter(worth_telling)
}

fn worth_telling(it: &Collected) -> bool {
    it.files || !(it.worktrees.is_empty() && it.branches.is_empty() && it.kept.is_empty())
}

fn tell(collection: &Collection) {
    for problem in &collection.problems {
        tracing::warn!("failed to clean up: {problem}");
    }
    for it in &collection.runs {
        let (worktrees, branches, kept) = (it.worktrees.len(), it.branches.len(), it.kept.len());
        tracing::info!(run = %it.run.id, worktrees, branches, files = it.files, kept, "cleaned up");
    }
}
