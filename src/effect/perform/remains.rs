//! What is left of an ended run: its worktrees, its branches, its files, and whether each may go. Looking changes nothing;
//! what is taken, and how, is said in `collect`.

use std::path::Path;

use super::desk::read_record;
use crate::core::run::Trouble;
use crate::effect::files::run_dir;
use crate::effect::git::{self, Git, Removable, Repo, Retirable};
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
pub(super) type Tree = (String, Result<git::Worktree, String>);

/// The repository of the run, its worktrees and its branches.
pub(super) struct Left {
    pub repo: Result<Repo, String>,
    pub trees: Vec<Tree>,
    pub branches: Vec<git::Worktree>,
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

/// Looks for what there may be, and for the repository.
pub(super) async fn left(git: &Git, run: &StoredRun) -> Result<Left, Trouble> {
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
pub(super) fn without_repo(path: &str) -> Option<String> {
    let there = std::fs::symlink_metadata(path).is_ok();
    there.then(|| "its repository cannot be opened, so that nothing can be proved".to_owned())
}

/// A line that says so.
pub(super) fn stays(name: &str, why: &str) -> String {
    format!("{name}: {why}")
}

/// Why the files stay where that worktree does.
pub(super) fn needed_for(path: &str) -> String {
    format!("{path} stays, and whoever looks at it needs the files of its run")
}
