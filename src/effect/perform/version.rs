//! Which version an agent has: its program is asked once, in the environment that the agent gets, and not again until the
//! file changes. What does not answer in time has none; no run waits longer for that, and none fails.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::agent::{AgentSpec, DriverKind, version_in};

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the answer that are read.
const ANSWER_BYTES: u64 = 4096;

/// A program as it was when it was asked.
type Asked = (PathBuf, Option<SystemTime>);

/// What programs have answered since the daemon began.
#[derive(Debug, Default)]
pub struct AgentVersions {
    /// Held while one is asked, so that nobody else asks the same.
    known: Mutex<BTreeMap<Asked, Option<String>>>,
}

impl AgentVersions {
    /// The version of this agent's program, which would be started in `cwd` with `env`. It is asked elsewhere: a program that
    /// does not understand the question may go to work. `None` where it does not tell, and
    /// where it is not known to understand the question: a command of the user's might do anything.
    pub(super) async fn of(
        &self,
        spec: &AgentSpec,
        program: &OsStr,
        cwd: &Path,
        env: &[(OsString, OsString)],
    ) -> Option<String> {
        match spec.driver() {
            DriverKind::Known => {}
            DriverKind::Scripted => return Some(env!("CARGO_PKG_VERSION").to_owned()),
            DriverKind::Exec | DriverKind::Acp => return None,
        }
        let path = find(program, cwd, env)?;
        let changed = std::fs::metadata(&path).and_then(|it| it.modified()).ok();
        let asked = (path, changed);
        let mut known = self.known.lock().await;
        if let Some(version) = known.get(&asked) {
            return version.clone();
        }
        let version = ask(&asked.0, env).await;
        if version.is_none() {
            tracing::info!(program = %asked.0.display(), "an agent does not tell its version");
        }
        known.insert(asked, version.clone());
        version
    }
}

/// The program's file, links followed, so that an update by another link is another file.
fn find(program: &OsStr, cwd: &Path, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    let path = env.iter().find(|(name, _)| name == "PATH");
    let found = which::which_in(program, path.map(|(_, value)| value), cwd).ok()?;
    found.canonicalize().ok()
}

async fn ask(program: &Path, env: &[(OsString, OsString)]) -> Option<String> {
    let nowhere = tempfile::tempdir().ok()?;
    let mut child = Command::new(program)
        .arg("--version")
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(nowhere.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let output = child.stdout.take()?;
    let mut said = Vec::new();
    let answering = async {
        // What is longer than that is no version; who writes on is ended below.
        let _ = output.take(ANSWER_BYTES).read_to_end(&mut said).await;
        child.wait().await
    };
    let answered = tokio::time::timeout(PATIENCE, answering).await;
    if answered.is_err()
        && let Some(group) = group.and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    answered.ok()?.ok()?;
    version_in(&String::from_utf8_lossy(&said))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::agent::resolve;

    struct Lab(tempfile::TempDir);

    impl Lab {
        fn write(&self, text: &str) {
            let path = self.0.path().join("claude");
            // Another file each time: one that is written while it runs cannot be started.
            let new = self.0.path().join("new");
            let asked = self.0.path().join("asked");
            let script = format!("#!/bin/sh\npwd >> '{}'\n{text}\n", asked.display());
            std::fs::write(&new, script).expect("a file");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&new, mode).expect("a mode");
            std::fs::rename(new, path).expect("a file");
        }

        fn set_changed(&self, sec: u64) {
            let path = self.0.path().join("claude");
            let file = std::fs::File::options()
                .append(true)
                .open(path)
                .expect("a file");
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(sec);
            file.set_modified(at).expect("a time");
        }

        async fn ask(&self, versions: &AgentVersions) -> Option<String> {
            let spec = resolve("claude", &BTreeMap::new()).expect("a known agent");
            let dir = self.0.path();
            let path = std::env::join_paths([dir, Path::new("/usr/bin"), Path::new("/bin")]);
            let env = [("PATH".into(), path.expect("a path"))];
            versions.of(&spec, OsStr::new("claude"), dir, &env).await
        }

        fn times(&self) -> usize {
            let asked = std::fs::read_to_string(self.0.path().join("asked"));
            asked.unwrap_or_default().lines().count()
        }
    }

    #[tokio::test]
    async fn a_program_is_asked_once_until_it_changes() {
        let lab = Lab(tempfile::tempdir().expect("a directory"));
        let versions = AgentVersions::default();
        assert_eq!(lab.ask(&versions).await, None, "there is none");
        lab.write("echo '1.2.3 (Claude Code)'");
        lab.set_changed(1000);
        for _ in 0..3 {
            assert_eq!(lab.ask(&versions).await.as_deref(), Some("1.2.3"));
        }
        assert_eq!(lab.times(), 1);
        lab.write("echo '1.2.4 (Claude Code)'");
        lab.set_changed(2000);
        assert_eq!(lab.ask(&versions).await.as_deref(), Some("1.2.4"));
        assert_eq!(lab.times(), 2);
    }

    #[tokio::test]
    async fn a_program_is_asked_where_it_can_do_no_harm() {
        let lab = Lab(tempfile::tempdir().expect("a directory"));
        lab.write("echo strayed > strayed; echo '1.2.3 (Claude Code)'");
        let version = lab.ask(&AgentVersions::default()).await;
        assert_eq!(version.as_deref(), Some("1.2.3"));
        let asked = std::fs::read_to_string(lab.0.path().join("asked")).expect("it was asked");
        let place = Path::new(asked.trim());
        let here = std::env::current_dir().expect("a directory");
        assert!(place != lab.0.path() && place != here, "{asked}");
        assert!(!place.exists(), "what it left there is gone with the place");
    }

    #[tokio::test]
    async fn one_that_tells_none_is_not_asked_again() {
        let lab = Lab(tempfile::tempdir().expect("a directory"));
        let versions = AgentVersions::default();
        lab.write("echo 'unknown option' >&2; exit 2");
        assert_eq!(lab.ask(&versions).await, None);
        assert_eq!(lab.ask(&versions).await, None);
        assert_eq!(lab.times(), 1);
    }
}
