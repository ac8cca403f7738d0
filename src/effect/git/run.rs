//! The git of this machine: found, new enough, and with one lane for each repository in use.
//!
//! How a call is put together is in `call`, how it is driven in `process`; what calls mean is not known here.

use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::Mutex;

use super::{GitError, Result, call::Call};
use crate::crash::Crash;

/// The oldest git that has what is used here (`merge-tree --write-tree` came last, with 2.38).
pub(super) const OLDEST: (u32, u32) = (2, 38);
/// How long a call that reads or moves a ref may take.
const QUICK: Duration = Duration::from_secs(60);
/// How long a call that walks a whole working tree may take.
const SLOW: Duration = Duration::from_secs(900);

/// The git of this machine, known to be new enough, and the lanes of the repositories in use.
#[derive(Clone, Debug)]
pub struct Git(Arc<Inner>, Crash);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    quick: Duration,
    slow: Duration,
    lanes: StdMutex<HashMap<PathBuf, Weak<Mutex<()>>>>,
}

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
        let inner = Inner {
            program: program.into(),
            quick,
            slow,
            lanes: StdMutex::default(),
        };
        let git = Git(Arc::new(inner), Crash::default());
        let said = git.call(Path::new("/"), ["--version"]).text().await?;
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

    /// The same git, of a daemon that may die at a call.
    #[must_use]
    pub fn dying(self, crash: Crash) -> Git {
        Git(self.0, crash)
    }

    /// A call in `cwd`, which is not yet bound to any repository.
    pub(super) fn call<I, S>(&self, cwd: &Path, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        Call::new(&self.0.program, cwd, args, self.0.quick, self.0.slow).dying(self.1.clone())
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
