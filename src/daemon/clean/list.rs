//! Every worktree that loopd made and that is not known to be gone: whose it is, and whether it could go now. And strays:
//! worktrees that carry loopd's mark in git, and that no run here knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Cleaner;
use super::error::CleanError;
use crate::core::machine::{Cell, Kind};
use crate::core::run::{EventName, RunId, Worktree, cell};
use crate::effect::git::{self, Removable, Repo};
use crate::effect::read_record;
use crate::store::StoredRun;

/// How long all proofs of one list may take together: each reads every file of its worktree.
const PROOFS: Duration = Duration::from_secs(20);

/// A worktree of a run.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose it is.
    pub run: StoredRun,
    /// Branch and path.
    pub worktree: Worktree,
    /// The run works in it, or would when it is started anew; false for one that a reset has left behind.
    pub present: bool,
    /// Its directory is there.
    pub on_disk: bool,
    /// Why it cannot be removed now; `None` when it can.
    pub why_kept: Option<String>,
}

/// A worktree with loopd's mark that no run here has recorded.
#[derive(Clone, Debug)]
pub struct Stray {
    /// Where it is.
    pub path: PathBuf,
    /// The run that its mark names.
    pub run_id: RunId,
    /// Whether this daemon knows that run.
    pub run_known: bool,
    /// The branch that it is on.
    pub branch: Option<String>,
    /// Its directory is there.
    pub on_disk: bool,
}

/// All of them, by path.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// What runs know of.
    pub worktrees: Vec<Shown>,
    /// What only git knows of.
    pub strays: Vec<Stray>,
    /// Repositories that could not be looked at, and why.
    pub problems: Vec<String>,
}

impl Cleaner {
    /// Looks at all worktrees. Nothing is changed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Listing, CleanError> {
        let mut listing = Listing::default();
        let mut repos: BTreeMap<String, Option<Repo>> = BTreeMap::new();
        for key in self.reader.workspaces().await? {
            let repo = match self.repo(&key).await {
                Ok(repo) => Some(repo),
                Err(error) => {
                    listing.problems.push(format!("failed to {error}"));
                    None
                }
            };
            repos.insert(key, repo);
        }
        let until = Instant::now() + PROOFS;
        let mut recorded = BTreeSet::new();
        for run in self.reader.with_worktrees().await? {
            let repo = repos.get(&run.spec.workspace_key).and_then(Option::as_ref);
            for worktree in run.facts.worktrees() {
                recorded.insert(PathBuf::from(&worktree.path));
                listing.worktrees.push(Shown {
                    present: run.facts.worktree.as_ref() == Some(worktree),
                    on_disk: Path::new(&worktree.path).is_dir(),
                    why_kept: why_kept(&run, worktree, repo, until).await,
                    worktree: worktree.clone(),
                    run: run.clone(),
                });
            }
        }
        for repo in repos.values().flatten() {
            match git::marked_worktrees(repo).await {
                Ok(marked) => {
                    for found in marked.into_iter().filter(|it| !recorded.contains(&it.path)) {
                        let run_id = RunId(found.run_id);
                        listing.strays.push(Stray {
                            run_known: self.reader.run(&run_id).await?.is_some(),
                            on_disk: found.path.is_dir(),
                            path: found.path,
                            branch: found.branch,
                            run_id,
                        });
                    }
                }
                Err(error) => listing.problems.push(format!("failed to {error}")),
            }
        }
        listing
            .worktrees
            .sort_by(|a, b| a.worktree.path.cmp(&b.worktree.path));
        listing.strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }
}

/// Why the worktree cannot be removed now, in the words with which the removal would be refused.
async fn why_kept(
    run: &StoredRun,
    worktree: &Worktree,
    repo: Option<&Repo>,
    until: Instant,
) -> Option<String> {
    if let Cell::Refused(why) | Cell::Ignored(why) = cell(run.state, EventName::RemoveWorktree) {
        return Some(why.to_owned());
    }
    debug_assert_eq!(run.state.kind(), Kind::Ended);
    if run.facts.step.is_some() {
        return Some("a step of the run is not known to be gone".to_owned());
    }
    let Some(repo) = repo else {
        return Some("its repository cannot be read".to_owned());
    };
    let record = match read_record(worktree) {
        Ok(record) => record,
        Err(trouble) => return Some(trouble.message),
    };
    match timeout_at(until, git::removable(repo, &record)).await {
        Ok(Ok(Removable::Yes | Removable::Gone)) => None,
        Ok(Ok(Removable::No { why })) => Some(why),
        Ok(Err(error)) => Some(format!("failed to {error}")),
        Err(_) => Some(format!(
            "not looked at: the proofs of this list took longer than {} s; `loopctl worktree-rm` takes its time",
            PROOFS.as_secs()
        )),
    }
}
