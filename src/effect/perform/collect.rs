//! What is left of an ended run whose time is over: its worktrees, its branches, its files. First
//! looked at ([`remains`]), which changes nothing; then taken, each only when nothing in it can be lost. The files go last,
//! and only when no worktree stays: whoever has to look at one needs them. The copies of files in the user's workspace are
//! the user's, and stay.
//!
//! What goes leaves no trace, and a retry has to know where its branch stood. So it is noted in the store what is about to
//! go, before anything does: a repeat after a crash tells of that, too.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Done;
use super::desk::{Desk, oid, read_record};
use super::trouble::trouble;
use super::unwanted;
use super::worktree::merge_target;
use crate::core::machine::Kind;
use crate::core::run::{Event, RetiredBranch, Trouble, TroubleKind};
use crate::crash::Place;
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

/// What is about to go, or has gone.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Taking {
    /// Branches, each with the commit that it stands at.
    branches: BTreeMap<String, String>,
    /// There is a directory with files.
    files: bool,
}

impl Taking {
    /// What an earlier try of this effect has noted.
    async fn read(desk: &Desk<'_>) -> Result<Taking, Trouble> {
        let effect = desk.order.effect.id;
        let Some(note) = desk.world.reader.effect_note(effect).await? else {
            return Ok(Taking::default());
        };
        serde_json::from_str(&note).map_err(|error| {
            let what = format!("failed to read what the clean-up was about to take: {error}");
            trouble(TroubleKind::Permanent, "internal", what)
        })
    }

    /// The same, and what there is now; noted.
    async fn noted(desk: &Desk<'_>, left: &Left, files: bool) -> Result<Taking, Trouble> {
        let mut taking = Taking::read(desk).await?;
        taking.files |= files;
        if let Ok(repo) = &left.repo {
            for branch in &left.branches {
                let name = &branch.run_branch;
                if let Some(tip) = git::tip(repo, name).await? {
                    taking.branches.insert(name.clone(), tip.commit.to_string());
                }
            }
        }
        let note = serde_json::to_string(&taking)
            .map_err(|error| trouble(TroubleKind::Permanent, "internal", error.to_string()))?;
        let effect = desk.order.effect.id;
        desk.world.writer.note_effect(effect, note).await?;
        Ok(taking)
    }

    /// The branches that an earlier try has taken, and those of `now`.
    async fn branches(
        &self,
        desk: &Desk<'_>,
        repo: &Repo,
        now: Vec<RetiredBranch>,
    ) -> Result<Vec<RetiredBranch>, Trouble> {
        let run = &desk.order.run.id;
        let mut gone = now;
        for (branch, tip) in &self.branches {
            let told = gone.iter().any(|it| it.branch == *branch);
            if !told && git::tip(repo, branch).await?.is_none() {
                gone.push(RetiredBranch {
                    branch: branch.clone(),
                    tip: tip.clone(),
                    rescue: None,
                });
            }
        }
        for it in gone.iter_mut().filter(|it| it.rescue.is_none()) {
            it.rescue = git::rescue_at(repo, &run.0, &oid(&it.tip)?).await?;
        }
        Ok(gone)
    }
}

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
