//! One worktree, removed because a person asks for it: found by its path, asked of its run, and done in the run's lane.

use std::path::{Path, PathBuf};

use super::Cleaner;
use super::error::CleanError;
use super::path::meant;
use crate::core::run::{Event, Removal, RunId};
use crate::effect::git;
use crate::store::{Answer, StoredRun};

/// A worktree that is gone, now or already.
#[derive(Clone, Debug)]
pub struct Removed {
    /// Whose it was, as it is now.
    pub run: StoredRun,
    /// What became of it.
    pub removal: Removal,
}

impl Cleaner {
    /// Removes the worktree at this path, if loopd made it, its run has ended, and nothing in it can be lost.
    ///
    /// # Errors
    /// Every reason why it stays.
    pub async fn remove(&self, given: &str) -> Result<Removed, CleanError> {
        let (id, path) = self.owner_of(given).await?;
        let before = self.run(&id, &path).await?;
        if before.facts.step.is_some() && before.facts.ended_at.is_some() {
            return Err(CleanError::Refused {
                path,
                run: id,
                why: "a step of the run is not known to be gone".to_owned(),
                hint: "ask again when `loopctl inspect` shows no live step".to_owned(),
            });
        }
        let event = Event::RemoveWorktree { path: path.clone() };
        match self.engine.operate(id.clone(), event).await?.answer {
            Answer::Moved(moved) => {
                for effect in &moved.effects {
                    self.performed(effect).await?;
                }
            }
            Answer::Ignored(why) | Answer::Refused(why) => {
                return Err(CleanError::Refused {
                    path,
                    run: id,
                    why: why.to_owned(),
                    hint: format!(
                        "the run is {}; wait for its end, or `loopctl cancel` it",
                        before.state
                    ),
                });
            }
            // Nothing is expected of the revision; somebody else's write cannot be in the way.
            Answer::Stale(_) => {
                return Err(kept(
                    path,
                    id,
                    "the run was written by somebody else; ask again",
                ));
            }
        }
        let run = self.run(&id, &path).await?;
        let removal = run
            .facts
            .removals
            .iter()
            .find(|it| it.path == path)
            .cloned();
        match removal {
            Some(removal) if removal.removed => Ok(Removed { run, removal }),
            Some(removal) => Err(kept(path, id, &removal.note)),
            None => Err(kept(path, id, "the run has been started anew meanwhile")),
        }
    }

    async fn run(&self, id: &RunId, path: &str) -> Result<StoredRun, CleanError> {
        let run = self.reader.run(id).await?;
        run.ok_or_else(|| not_ours(Path::new(path), "its run is not known here"))
    }

    /// The run that the worktree belongs to, and the path as it is recorded.
    async fn owner_of(&self, given: &str) -> Result<(RunId, String), CleanError> {
        let meant = meant(given)?;
        for path in meant.iter().filter_map(|path| path.to_str()) {
            let runs = self.reader.of_worktree(path).await?;
            // A path may have served several runs, one after the other: the one that has it now, else the last.
            let has = |run: &&StoredRun| run.facts.worktrees().any(|it| it.path == path);
            if let Some(run) = runs.iter().find(has).or(runs.first()) {
                return Ok((run.id.clone(), path.to_owned()));
            }
        }
        self.stray_at(&meant).await
    }

    /// The run whose mark a worktree carries that no run has recorded.
    async fn stray_at(&self, meant: &[PathBuf]) -> Result<(RunId, String), CleanError> {
        let path = meant.first().cloned().unwrap_or_default();
        let mut hint = "`loopctl worktrees` lists those that it made; your own are yours to remove, with `git worktree remove`".to_owned();
        for key in self.reader.workspaces().await? {
            // A repository that is gone has no strays either.
            let Ok(repo) = self.repo(&key).await else {
                continue;
            };
            for marked in git::marked_worktrees(&repo).await? {
                let run = RunId(marked.run_id);
                if marked.path != path {
                    if path.starts_with(&marked.path) {
                        hint = format!("it lies in the worktree {}", marked.path.display());
                    }
                    continue;
                }
                return match (self.reader.run(&run).await?, path.to_str()) {
                    (Some(_), Some(text)) => Ok((run, text.to_owned())),
                    (_, _) => {
                        let hint = format!(
                            "it carries the mark of run {run}, which this daemon does not know: use the loopd with the data directory that it was made from, or look at it and remove it with `git worktree remove`"
                        );
                        Err(not_ours(&path, &hint))
                    }
                };
            }
        }
        Err(not_ours(&path, &hint))
    }
}

fn not_ours(path: &Path, hint: &str) -> CleanError {
    CleanError::NotOurs {
        path: path.display().to_string(),
        hint: hint.to_owned(),
    }
}

fn kept(path: String, run: RunId, why: &str) -> CleanError {
    CleanError::Kept {
        path,
        run,
        why: why.to_owned(),
    }
}
