//! A repository: found from any path inside it, named by its canonical common directory.
//!
//! Calls are bound to the common directory by `GIT_DIR`, never found through a `.git` file in a worktree: an agent may
//! have rewritten that. Whether a directory belongs to us is the business of `admin`.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Git, GitError, GitErrorKind, Result, call::Call, safe::names_what_fetches};

/// An open repository. Every path that leads into it (a subdirectory, a symlink, one of its worktrees) gives the same
/// `common_dir`.
#[derive(Clone, Debug)]
pub struct Repo {
    git: Git,
    lane: Arc<Mutex<()>>,
    /// The directory with the refs and objects that all worktrees share; canonical. The repository's identity.
    pub common_dir: PathBuf,
    /// What git keeps about the checkout that was opened; the same as `common_dir` in the primary one.
    pub git_dir: PathBuf,
    /// The top of the checkout that was opened; none in a bare repository or inside `.git`.
    pub toplevel: Option<PathBuf>,
    /// The repository itself has no checkout (it may have worktrees).
    pub bare: bool,
    /// Its history is cut off: an ancestor may be unknown.
    pub shallow: bool,
    /// Its own configuration names a command to fetch by: what is missing stays so.
    is_fetched_by_command: bool,
}

impl Repo {
    /// Opens the repository that `path` lies in.
    ///
    /// # Errors
    /// Missing, when there is no such directory or it is in no repository; denied, when it may not be used; else what git says (an owner that git does
    /// not trust, for example).
    pub async fn open(git: &Git, path: &Path) -> Result<Repo> {
        let real = fs::canonicalize(path).map_err(|error| {
            let tried = format!("open the repository at {}", path.display());
            if error.kind() == io::ErrorKind::PermissionDenied {
                return GitError::denied(tried, path);
            }
            GitError {
                kind: GitErrorKind::MissingRepo,
                tried,
                said: format!("{error}; put it back, or name the directory where it is now"),
            }
        })?;
        let real = if real.is_dir() {
            real
        } else {
            real.parent().map_or(real.clone(), Path::to_path_buf)
        };
        // Each alone: a path may hold a newline.
        let ask = |what: &str| git.call(&real, ["rev-parse", "--path-format=absolute", what]);
        let common = ask("--git-common-dir")
            .bytes()
            .await
            .map_err(|error| not_one(path, &real, error))?;
        let common_dir = canonical(common)?;
        let git_dir = canonical(ask("--git-dir").bytes().await?)?;
        let bare = git
            .call(&common_dir, ["rev-parse", "--is-bare-repository"])
            .env("GIT_DIR", &common_dir);
        let bare = bare.text().await? == "true";
        let toplevel = if ask("--is-inside-work-tree").text().await? == "true" {
            Some(canonical(ask("--show-toplevel").bytes().await?)?)
        } else {
            None
        };
        let shallow = ask("--is-shallow-repository").text().await? == "true";
        let lane = git.lane(&common_dir);
        let mut repo = Repo {
            git: git.clone(),
            lane,
            common_dir,
            git_dir,
            toplevel,
            bare,
            shallow,
            is_fetched_by_command: false,
        };
        repo.is_fetched_by_command = names_what_fetches(&repo).await?;
        Ok(repo)
    }

    /// The top of the primary checkout, as far as it can be known: none for a bare repository, and for one whose
    /// directory lies apart from its checkout, unless it was opened from there.
    pub async fn primary(&self) -> Result<Option<PathBuf>> {
        if self.bare {
            return Ok(None);
        }
        if self.git_dir == self.common_dir && self.toplevel.is_some() {
            return Ok(self.toplevel.clone());
        }
        let configured = self
            .call(["config", "--get", "core.worktree"])
            .output()
            .await?;
        if configured.code == 0 {
            let mut bytes = configured.stdout;
            bytes.pop();
            return Ok(fs::canonicalize(self.common_dir.join(path(bytes))).ok());
        }
        let inside = self.common_dir.file_name() == Some(OsStr::new(".git"));
        Ok(self
            .common_dir
            .parent()
            .filter(|_| inside)
            .map(Path::to_path_buf))
    }

    /// Waits for the lane in which everything that changes this repository runs, one after the other.
    pub(super) async fn lane(&self) -> OwnedMutexGuard<()> {
        self.lane.clone().lock_owned().await
    }

    /// A scratch directory; gone when dropped.
    pub(super) fn scratch(&self) -> Result<tempfile::TempDir> {
        self.git.scratch()
    }

    /// A call of another program that calls git itself.
    pub(super) fn other<'a>(
        &self,
        program: &Path,
        cwd: &Path,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Call {
        self.git.other(program, cwd, args)
    }

    /// A call about the repository as a whole.
    pub(super) fn call<I, S>(&self, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let call = self.git.call(&self.common_dir, args);
        let call = call.env("GIT_DIR", &self.common_dir);
        match self.is_fetched_by_command {
            // The second is only known to git 2.44 and newer, and says what is the matter.
            true => call
                .env("GIT_ALLOW_PROTOCOL", "none")
                .env("GIT_NO_LAZY_FETCH", "1"),
            false => call,
        }
    }

    /// A call bound to nothing, for a scratch repository in `cwd`.
    pub(super) fn elsewhere<I, S>(&self, cwd: &Path, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.git.call(cwd, args)
    }
}

/// Bytes that git printed, as a path.
pub(super) fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// A list that git printed with `-z`.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == 0).filter(|field| !field.is_empty())
}

fn canonical(bytes: Vec<u8>) -> Result<PathBuf> {
    let path = path(bytes);
    fs::canonicalize(&path).map_err(|error| GitError::io("open", &path, &error))
}

/// Why git does not take `path`, which leads to `real`, for one.
fn not_one(path: &Path, real: &Path, error: GitError) -> GitError {
    let at = path.display();
    let said = match error.kind {
        GitErrorKind::MissingRepo => match remains(real) {
            Some(remains) => format!(
                "git does not take {} for a repository: its HEAD, objects or refs are missing or damaged; restore them (a backup, or another clone)",
                remains.display()
            ),
            None => {
                "it is in no git repository; run `git init` there, or name another directory".into()
            }
        },
        GitErrorKind::Permanent if error.said.contains("dubious ownership") => format!(
            "it belongs to another user, and git does not trust it; run loopd as its owner, or let the user that loopd runs as trust it: `git config --global --add safe.directory {}`",
            real.display()
        ),
        GitErrorKind::Transient
        | GitErrorKind::Permanent
        | GitErrorKind::NoSpace
        | GitErrorKind::ReadOnly
        | GitErrorKind::Denied
        | GitErrorKind::Held => error.said,
    };
    GitError {
        kind: error.kind,
        tried: format!("open the repository at {at}"),
        said,
    }
}

/// What is left of a repository that git does not take for one, at or above a directory.
fn remains(real: &Path) -> Option<PathBuf> {
    let is_one = |dir: &Path| dir.join("objects").is_dir() && dir.join("refs").is_dir();
    real.ancestors().find_map(|dir| {
        let inside = dir.join(".git");
        let found = fs::symlink_metadata(&inside).is_ok();
        found
            .then_some(inside)
            .or_else(|| is_one(dir).then(|| dir.to_owned()))
    })
}
