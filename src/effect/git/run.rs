//! The git of this machine: found, new enough, and with one lane for each repository in use.
//!
//! How a call is put together is in `call`, how it is driven in `process`; what calls mean is not known here.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{GitError, GitErrorKind, Result, call::Call, worktrunk::Worktrunk};
use crate::crash::Crash;

/// The oldest git that has what is used here (`merge-tree --write-tree` came last, with 2.38).
pub(super) const OLDEST: (u32, u32) = (2, 38);
/// How long a call that reads or moves a ref may take.
const QUICK: Duration = Duration::from_secs(60);
/// How long a call that walks a whole working tree may take.
const SLOW: Duration = Duration::from_secs(900);

/// How long to wait before each further question for the version.
const ASKED_AGAIN: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// The git of this machine, known to be new enough, and the lanes of the repositories in use.
#[derive(Clone, Debug)]
pub struct Git(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    setup: Setup,
    lanes: StdMutex<HashMap<PathBuf, Weak<Mutex<()>>>>,
}

/// How calls are made on this machine.
#[derive(Clone, Debug)]
struct Setup {
    program: PathBuf,
    quick: Duration,
    slow: Duration,
    /// Where scratch directories are made.
    scratch: PathBuf,
    /// Worktrunk, where it is not to be looked for.
    worktrunk: Option<Option<Worktrunk>>,
    /// Where the daemon dies.
    crash: Crash,
}

/// What the name of a scratch directory starts with.
const SCRATCH: &str = "loopd-git-";

impl Git {
    /// Finds git on the `PATH`.
    ///
    /// # Errors
    /// Permanent, when there is none or it is older than 2.38.
    pub async fn find() -> Result<Git> {
        Git::with(Path::new("git"), QUICK, SLOW).await
    }

    /// The git at `program`, with the timeouts of quick calls and of those that walk a whole working tree.
    ///
    /// # Errors
    /// As [`Git::find`].
    pub async fn with(program: &Path, quick: Duration, slow: Duration) -> Result<Git> {
        let git = Git::of(Setup {
            program: program.into(),
            quick,
            slow,
            scratch: std::env::temp_dir(),
            worktrunk: None,
            crash: Crash::default(),
        });
        let said = git.version().await?;
        let version = version(&said);
        if version.is_none_or(|found| found < OLDEST) {
            let need = format!(
                "{said:?} is too old; install git {}.{} or newer",
                OLDEST.0, OLDEST.1
            );
            return Err(GitError::permanent(
                format!("use {}", program.display()),
                need,
            ));
        }
        Ok(git)
    }

    /// What it says of its version. Nobody starts the daemon again for a git that was killed once (out of memory): it is
    /// asked a few times, in the time that one answer may take.
    async fn version(&self) -> Result<String> {
        let ask = || self.call(Path::new("/"), ["--version"]).text();
        let until = tokio::time::Instant::now() + self.0.setup.quick;
        for pause in ASKED_AGAIN {
            match ask().await {
                Err(error)
                    if error.kind == GitErrorKind::Transient
                        && tokio::time::Instant::now() < until =>
                {
                    tracing::warn!("failed to {error}");
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
        }
        ask().await
    }

    /// The same git, of a daemon that may die at a call.
    #[must_use]
    pub fn dying(self, crash: Crash) -> Git {
        Git::of(Setup {
            crash,
            ..self.0.setup.clone()
        })
    }

    fn of(setup: Setup) -> Git {
        Git(Arc::new(Inner {
            setup,
            lanes: StdMutex::default(),
        }))
    }

    /// The same git, with this Worktrunk or none, whatever is installed.
    pub fn with_worktrunk(self, found: Option<Worktrunk>) -> Git {
        Git::of(Setup {
            worktrunk: Some(found),
            ..self.0.setup.clone()
        })
    }

    /// The Worktrunk of this machine, as it is now.
    pub fn worktrunk(&self) -> Option<Worktrunk> {
        match &self.0.setup.worktrunk {
            Some(given) => given.clone(),
            None => Worktrunk::find(|name| std::env::var_os(name)),
        }
    }

    /// The same git, with its scratch directories in a place that is used by nobody else (whoever calls this holds the lock
    /// of the data directory): what a killed daemon has left there is removed first.
    ///
    /// # Errors
    /// When the directory cannot be made, read or cleared.
    pub fn with_scratch(self, dir: &Path) -> Result<Git> {
        let fail =
            |doing: &str, path: &Path, error: &std::io::Error| GitError::io(doing, path, error);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| fail("create", dir, &error))?;
        for entry in fs::read_dir(dir).map_err(|error| fail("read", dir, &error))? {
            let entry = entry.map_err(|error| fail("read", dir, &error))?;
            if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(|error| fail("remove", &path, &error))?;
            }
        }
        Ok(Git::of(Setup {
            scratch: dir.to_owned(),
            ..self.0.setup.clone()
        }))
    }

    /// A scratch directory; gone when dropped.
    pub(super) fn scratch(&self) -> Result<TempDir> {
        let dir = &self.0.setup.scratch;
        tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(dir)
            .map_err(|error| GitError::io("create a scratch directory in", dir, &error))
    }

    /// A call in `cwd`, which is not yet bound to any repository.
    pub(super) fn call<I, S>(&self, cwd: &Path, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.other(&self.0.setup.program, cwd, args)
    }

    /// A call of another program that calls git itself: under the same environment, settings and bounds.
    pub(super) fn other<I, S>(&self, program: &Path, cwd: &Path, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        let setup = &self.0.setup;
        Call::new(program, cwd, args, setup.quick, setup.slow).dying(setup.crash.clone())
    }

    /// The one lane of the repository with this canonical common directory.
    pub(super) fn lane(&self, common_dir: &Path) -> Arc<Mutex<()>> {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(common_dir).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Mutex::new(()));
        lanes.insert(common_dir.into(), Arc::downgrade(&lane));
        lane
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said
        .strip_prefix("git version ")?
        .split(['.', ' ', '-'])
        .map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_packager_are_read() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version 2.51.0.rc1"), Some((2, 51)));
        assert_eq!(version("hub 1.0"), None);
    }
}
