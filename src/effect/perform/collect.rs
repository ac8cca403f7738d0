//! What is left of an ended run whose time is over: its worktrees, its branches, its files. First
//! looked at ([`remains`]), which changes nothing; then taken, each only when nothing in it can be lost. The files go last,
//! and only when no worktree stays: whoever has to look at one needs them. The copies of files in the user's workspace are
//! the user's, and stay.

use std::io::ErrorKind;
use std::path::Path;

use super::Done;
use super::desk::{Desk, read_record};
use super::unwanted;
use super::worktree::merge_target;
use crate::core::machine::Kind;
use crate::core::run::{Event, RetiredBranch, Trouble};
use crate::effect::files::run_dir;
use crate::effect::git::{self, Git, Removable, Repo, Retirable, Retired};
use crate::store::StoredRun;

/// Something that is left, and why it has to stay; `None` when it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remain {
    /// A path or a branch.
    pub name: String,
    /// Why it stays.
    pub why_kept: Option<String>,
}

/// What is left of an ended run, and what of it could go now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Worktrees, by path.
    pub worktrees: Vec<Remain>,
    /// Branches.
    pub branches: Vec<Remain>,
    /// The directory with its files.
    pub files: Option<Remain>,
    /// The repository cannot be looked at: why.
    pub repository: Option<String>,
}

impl Remains {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Remain> {
        self.worktrees
            .iter()
            .chain(&self.branches)
            .chain(&self.files)
    }

    /// Why what stays has to stay, a line each.
    pub fn kept(&self) -> Vec<String> {
        let line = |it: &Remain| Some(stays(&it.name, it.why_kept.as_deref()?));
        let lines = self.all().filter_map(line);
        self.repository.iter().cloned().chain(lines).collect()
    }
}

/// A worktree that may be left: its path, and the git room's record of it or why there is none.
type Tree = (String, Result<git::Worktree, String>);

/// The repository of the run, its worktrees and its branches.
struct Left {
    repo: Result<Repo, String>,
    trees: Vec<Tree>,
    branches: Vec<git::Worktree>,
}

/// Looks at what is left of an ended run. Nothing is changed.
///
/// # Errors
/// When git cannot read a repository that is there.
pub async fn remains(git: &Git, data_dir: &Path, run: &StoredRun) -> Result<Remains, Trouble> {
    let left = left(git, run).await?;
    let mut remains = Remains::default();
    for (path, record) in &left.trees {
        let why_kept = match (&left.repo, record) {
            (Ok(repo), Ok(record)) => match git::removable(repo, record).await {
                Ok(Removable::Yes | Removable::Gone) => None,
                Ok(Removable::No { why }) => Some(why),
                Err(error) => Some(format!("failed to {error}")),
            },
            (Ok(_), Err(why)) => Some(why.clone()),
            (Err(_), _) => without_repo(path),
        };
        let name = path.clone();
        remains.worktrees.push(Remain { name, why_kept });
    }
    if let Ok(repo) = &left.repo {
        let free = remains.worktrees.iter().filter(|it| it.why_kept.is_none());
        let free: Vec<&Path> = free.map(|it| Path::new(&it.name)).collect();
        for branch in &left.branches {
            let why_kept = match git::retirable(repo, branch, &free).await? {
                Retirable::Gone | Retirable::Yes => None,
                Retirable::No { why } => Some(why),
            };
            let name = branch.run_branch.clone();
            remains.branches.push(Remain { name, why_kept });
        }
    }
    let dir = run_dir(data_dir, &run.id, &run.spec);
    if dir.is_dir() {
        let tree = remains.worktrees.iter().find(|it| it.why_kept.is_some());
        remains.files = Some(Remain {
            name: dir.display().to_string(),
            why_kept: tree.map(|tree| needed_for(&tree.name)),
        });
    }
    remains.repository = left.repo.err();
    Ok(remains)
}

/// Takes what is left of the run, as far as it may go.
pub(super) async fn collect(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let run = &desk.order.run;
    if run.state.kind() != Kind::Ended || run.facts.step.is_some() {
        let why = "the run has been started anew, or a step of it is not known to be gone";
        return Ok(none(why));
    }
    let left = left(&desk.world.git, run).await?;
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
    }
    kept.extend(left.repo.err());
    let dir = run_dir(&desk.world.data_dir, &run.id, &run.spec);
    let files = match needed {
        Some(why) if dir.is_dir() => Err(why),
        Some(_) => Ok(false),
        None => remove_dir(&dir),
    };
    let files_removed = files.as_ref().is_ok_and(|gone| *gone);
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
    let event = Event::Collected {
        removals: Vec::new(),
        branches: Vec::new(),
        files_removed: false,
        kept: vec![why.to_owned()],
    };
    Done::event(event, why)
}

async fn left(git: &Git, run: &StoredRun) -> Result<Left, Trouble> {
    let mut left = Left {
        repo: match Repo::open(git, Path::new(&run.spec.workspace_key)).await {
            Ok(repo) => Ok(repo),
            Err(error) if error.kind == git::GitErrorKind::MissingRepo => {
                Err(format!("failed to {error}"))
            }
            Err(error) => return Err(error.into()),
        },
        trees: Vec::new(),
        branches: Vec::new(),
    };
    for known in run.facts.worktrees() {
        let record = read_record(known).map_err(|trouble| trouble.message);
        left.trees.push((known.path.clone(), record));
    }
    if let Ok(repo) = &left.repo {
        for marked in git::marked_worktrees(repo).await? {
            let path = marked.path.display().to_string();
            let recorded = left.trees.iter().any(|(known, _)| *known == path);
            if marked.run_id != run.id.0 || recorded {
                continue;
            }
            let record = git::unrecorded(repo, &run.id.0, &marked.path).await?;
            let record =
                record.ok_or_else(|| "the branch that it was made for is not known".to_owned());
            left.trees.push((path, record));
        }
        left.branches = git::of_run(repo, &run.id.0).await?;
    }
    Ok(left)
}

/// Why a worktree stays whose repository is not there; `None` when it is not there either.
fn without_repo(path: &str) -> Option<String> {
    let there = std::fs::symlink_metadata(path).is_ok();
    there.then(|| "its repository cannot be opened, so that nothing can be proved".to_owned())
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

fn stays(name: &str, why: &str) -> String {
    format!("{name}: {why}")
}

fn needed_for(path: &str) -> String {
    format!("{path} stays, and whoever looks at it needs the files of its run")
}
