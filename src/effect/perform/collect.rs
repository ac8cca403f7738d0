//! Taking what is left of an ended run whose time is over, each part only when nothing in it can be lost. The files go last,
//! and only when no worktree stays: whoever has to look at one needs them. The copies of files in the user's workspace are
//! the user's, and stay. What there is, and what of it may go, is seen by `remains`; `taking` notes it before it goes.

use std::io::ErrorKind;
use std::path::Path;

use super::Done;
use super::desk::Desk;
use super::remains::{left, needed_for, stays, without_repo};
use super::taking::Taking;
use super::unwanted;
use super::worktree::merge_target;
use crate::core::machine::Kind;
use crate::core::run::{Event, RetiredBranch, Trouble};
use crate::crash::Place;
use crate::effect::files::run_dir;
use crate::effect::git::{self, Repo, Retired};

/// Takes what is left of the run, as far as it may go.
pub(super) async fn collect(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let run = &desk.order.run;
    if run.state.kind() != Kind::Ended || run.facts.step.is_some() {
        let why = "the run has been started anew, or a step of it is not known to be gone";
        let taken = Taking::read(desk).await?;
        if taken.branches.is_empty() {
            return Ok(none(why));
        }
        // A daemon has died after it had taken them: whoever makes the worktree again has to know where they stood.
        let branches = taken
            .branches(desk, &desk.repo().await?, Vec::new())
            .await?;
        return Ok(told(branches, why));
    }
    let left = left(&desk.world.git, run).await?;
    let dir = run_dir(&desk.world.data_dir, &run.id, &run.spec);
    let taking = Taking::noted(desk, &left, dir.is_dir()).await?;
    let (mut removals, mut branches, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let mut needed = None;
    for (path, record) in &left.trees {
        let removal = match (&left.repo, record) {
            (Ok(repo), Ok(record)) => unwanted::remove_proved(repo, path, record).await,
            (Ok(_), Err(why)) => unwanted::kept(path, why),
            (Err(_), _) => match without_repo(path) {
                Some(why) => unwanted::kept(path, &why),
                None => unwanted::gone(path, "removed"),
            },
        };
        if !removal.removed {
            kept.push(stays(path, &removal.note));
            needed.get_or_insert_with(|| needed_for(path));
        }
        removals.push(removal);
    }
    if let Ok(repo) = &left.repo {
        for branch in &left.branches {
            match retire(desk, repo, branch).await {
                Ok(retired) => branches.extend(retired),
                Err(why) => kept.push(stays(&branch.run_branch, &why)),
            }
        }
        branches = taking.branches(desk, repo, branches).await?;
    }
    kept.extend(left.repo.err());
    let files = match needed {
        Some(why) if dir.is_dir() => Err(why),
        Some(_) => Ok(false),
        None => {
            let crash = &desk.world.crash;
            crash.pass_on(Place::Calling, "files").await;
            let removed = remove_dir(&dir);
            crash.pass_on(Place::Called, "files").await;
            removed
        }
    };
    let gone_already = taking.files && !dir.exists();
    let files_removed = files.as_ref().is_ok_and(|gone| *gone || gone_already);
    kept.extend(
        files
            .err()
            .map(|why| stays(&dir.display().to_string(), &why)),
    );
    let outcome = format!(
        "{} worktrees, {} branches, files: {files_removed}; kept: {}",
        removals.iter().filter(|it| it.removed).count(),
        branches.len(),
        kept.join("; ")
    );
    let event = Event::Collected {
        removals,
        branches,
        files_removed,
        kept,
    };
    Ok(Done::event(event, outcome))
}

/// What is told when nothing could be taken.
pub(super) fn none(why: &str) -> Done {
    told(Vec::new(), why)
}

/// Nothing could be taken but these branches, earlier.
fn told(branches: Vec<RetiredBranch>, why: &str) -> Done {
    let event = Event::Collected {
        removals: Vec::new(),
        branches,
        files_removed: false,
        kept: vec![why.to_owned()],
    };
    Done::event(event, why)
}

/// Retires one branch; the branch, if there was one, or why it stays.
async fn retire(
    desk: &Desk<'_>,
    repo: &Repo,
    branch: &git::Worktree,
) -> Result<Option<RetiredBranch>, String> {
    let run = &desk.order.run;
    let facts = &run.facts;
    let known = facts
        .worktree
        .iter()
        .chain(&facts.abandoned)
        .chain(&facts.emptied);
    let target = merge_target(&run.spec);
    // Where its commits may be found: where the work goes, and where it came from.
    let mut kept_in = vec![target.as_str()];
    for known in known {
        kept_in.extend([
            known.merge_target_branch.as_str(),
            known.base_branch.as_str(),
        ]);
    }
    match git::retire_branch(repo, branch, &kept_in).await {
        Ok(Retired::Deleted { tip, rescue }) => Ok(tip.map(|tip| RetiredBranch {
            branch: branch.run_branch.clone(),
            tip: tip.to_string(),
            rescue,
        })),
        Ok(Retired::Kept { why }) => Err(why),
        Err(error) => Err(format!("failed to {error}")),
    }
}

/// Removes a directory of loopd's own; whether there was one. A link in its place is not followed.
fn remove_dir(dir: &Path) -> Result<bool, String> {
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("failed to remove it: {error}")),
    }
}
