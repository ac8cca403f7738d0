//! One call of git: arguments only, no shell, no prompt, a clean environment, bounded output, a timeout.
//!
//! What a call means is not known here. Settings go in through `GIT_CONFIG_COUNT` (they win over every file, need no
//! quoting, and reach the processes that git itself starts).

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

use super::{GitError, GitErrorKind, Result, error::excerpt};

/// The oldest git that has what is used here (`merge-tree --write-tree` came last, with 2.38).
const OLDEST: (u32, u32) = (2, 38);
/// How long a call that reads or moves a ref may take.
const QUICK: Duration = Duration::from_secs(60);
/// How long a call that walks a whole working tree may take.
const SLOW: Duration = Duration::from_secs(900);
/// What a call may print where an answer is expected in full: lists of paths of a very large repository.
const CAP_BYTES: usize = 256 << 20;
/// What is kept of git's complaints.
const STDERR_BYTES: usize = 64 << 10;
/// How long git may take to remove its lock files after it was told to end, and its children to let go of its output.
const GRACE: Duration = Duration::from_secs(2);

/// Settings of every call: nothing is executed that a repository names, nothing happens in the background.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.safecrlf", "false"),
    ("core.pager", "cat"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("commit.gpgSign", "false"),
    ("log.showSignature", "false"),
    ("merge.verifySignatures", "false"),
    ("merge.autoStash", "false"),
    ("submodule.recurse", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("color.ui", "false"),
];

/// The git of this machine, known to be new enough, and the lanes of the repositories in use.
#[derive(Clone, Debug)]
pub struct Git(Arc<Inner>);

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
        let git = Git(Arc::new(inner));
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

    /// A call in `cwd`, which is not yet bound to any repository.
    pub(super) fn call<I, S>(&self, cwd: &Path, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Call {
            program: self.0.program.clone(),
            args: args
                .into_iter()
                .map(|arg| arg.as_ref().to_owned())
                .collect(),
            cwd: cwd.into(),
            env: Vec::new(),
            settings: SETTINGS
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
            stdin: Vec::new(),
            timeout: self.0.quick,
            slow: self.0.slow,
            cap: CAP_BYTES,
        }
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

/// A call that is being put together.
#[derive(Debug)]
#[must_use]
pub(super) struct Call {
    program: PathBuf,
    args: Vec<OsString>,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    settings: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    timeout: Duration,
    slow: Duration,
    cap: usize,
}

/// What a call that ended by itself left.
#[derive(Debug)]
pub(super) struct Output {
    /// Absent when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    /// More was printed than was kept.
    pub cut: bool,
    pub stderr: Vec<u8>,
    tried: String,
}

impl Output {
    /// The failure that this output tells of.
    pub(super) fn error(&self) -> GitError {
        GitError::said(self.tried.clone(), &self.stderr)
    }
}

impl Call {
    pub(super) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Call {
        self.env.push((key.into(), value.as_ref().into()));
        self
    }

    pub(super) fn setting(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Call {
        self.settings
            .push((key.as_ref().into(), value.as_ref().into()));
        self
    }

    pub(super) fn stdin(mut self, bytes: Vec<u8>) -> Call {
        self.stdin = bytes;
        self
    }

    /// This call walks a working tree, and gets the time for it.
    pub(super) fn slow(mut self) -> Call {
        self.timeout = self.slow;
        self
    }

    /// Keep at most so many bytes of the output; more is no failure, but marked.
    pub(super) fn cap(mut self, bytes: usize) -> Call {
        self.cap = bytes;
        self
    }

    /// Runs it; any exit status is an answer.
    pub(super) async fn output(self) -> Result<Output> {
        let tried = self.tried();
        let mut child = match self.command().spawn() {
            Ok(child) => child,
            Err(error) => return Err(self.not_started(tried, &error)),
        };
        let group = Group(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        );
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Kept::new(self.cap), Kept::new(STDERR_BYTES));
        let pumps = async {
            let feed = async {
                if let Some(mut pipe) = stdin {
                    // A git that ends without reading everything says why on its own.
                    let _ = pipe.write_all(&self.stdin).await;
                }
            };
            tokio::join!(feed, out.pump(stdout), err.pump(stderr));
        };
        let status = drive(&mut child, &group, pumps, self.timeout).await;
        std::mem::forget(group);
        let status = match status {
            Ok(Some(status)) => status,
            Ok(None) => {
                let said = format!(
                    "no answer within {} s; {}",
                    self.timeout.as_secs(),
                    excerpt(&err.bytes)
                );
                return Err(GitError::transient(tried, said));
            }
            Err(error) => return Err(GitError::permanent(tried, error.to_string())),
        };
        Ok(Output {
            code: status.code(),
            stdout: out.bytes,
            cut: out.cut,
            stderr: err.bytes,
            tried,
        })
    }

    /// Runs it; anything but success is an error, and so is an answer that had to be cut.
    pub(super) async fn ok(self) -> Result<Output> {
        let cap = self.cap;
        let output = self.output().await?;
        match output.code {
            Some(0) if output.cut && cap == CAP_BYTES => Err(GitError::permanent(
                output.tried,
                format!("its answer is larger than {CAP_BYTES} bytes"),
            )),
            Some(0) => Ok(output),
            Some(_) | None => Err(output.error()),
        }
    }

    /// Runs it; the answer without its last newline.
    pub(super) async fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = self.ok().await?.stdout;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(bytes)
    }

    /// As [`Call::bytes`], where git prints nothing but ASCII and UTF-8.
    pub(super) async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// Runs it; 0 is yes, 1 is no, all else an error.
    pub(super) async fn yes(self) -> Result<bool> {
        let output = self.output().await?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            Some(_) | None => Err(output.error()),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(&self.cwd)
            .process_group(0);
        command.stdin(if self.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (key, _) in std::env::vars_os() {
            if key.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(key);
            }
        }
        command
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .env("SSH_ASKPASS_REQUIRE", "never");
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("GIT_EDITOR", ":");
        command
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        command.env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (n, (key, value)) in self.settings.iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{n}"), key)
                .env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    fn tried(&self) -> String {
        let args: Vec<_> = self
            .args
            .iter()
            .take(6)
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        format!("run git {} in {}", args.join(" "), self.cwd.display())
    }

    fn not_started(&self, tried: String, error: &std::io::Error) -> GitError {
        let (kind, said) = if !self.cwd.is_dir() {
            (
                GitErrorKind::MissingRepo,
                format!("{} is not a directory", self.cwd.display()),
            )
        } else if error.kind() == std::io::ErrorKind::NotFound {
            let need = format!("git {}.{} or newer", OLDEST.0, OLDEST.1);
            (
                GitErrorKind::Permanent,
                format!("{} not found; install {need}", self.program.display()),
            )
        } else if error.kind() == std::io::ErrorKind::ArgumentListTooLong {
            (GitErrorKind::Permanent, error.to_string())
        } else {
            // No process or descriptor to be had: passes with the load.
            (GitErrorKind::Transient, error.to_string())
        };
        GitError { kind, tried, said }
    }
}

/// Waits for the process, not for the end of its output, which a grandchild may hold open. `None`: out of time.
async fn drive(
    child: &mut Child,
    group: &Group,
    pumps: impl Future<Output = ()>,
    limit: Duration,
) -> std::io::Result<Option<ExitStatus>> {
    tokio::pin!(pumps);
    let mut drained = false;
    let ended = timeout(limit, async {
        loop {
            tokio::select! {
                status = child.wait() => break status,
                () = &mut pumps, if !drained => drained = true,
            }
        }
    });
    let status = match ended.await {
        Ok(status) => Some(status?),
        Err(_) => {
            // Asked to end, git removes its lock files; killed, it cannot.
            group.signal(Signal::TERM);
            if timeout(GRACE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                child.wait().await?;
            }
            None
        }
    };
    if !drained && timeout(GRACE, &mut pumps).await.is_err() {
        group.signal(Signal::KILL);
    }
    Ok(status)
}

/// The process group of a call: told to end when the call is dropped before it has ended.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// The head of a stream that is always read to its end.
struct Kept {
    bytes: Vec<u8>,
    cap: usize,
    cut: bool,
}

impl Kept {
    fn new(cap: usize) -> Kept {
        Kept {
            bytes: Vec::new(),
            cap,
            cut: false,
        }
    }

    async fn pump(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = vec![0; 32 << 10];
        while let Ok(n @ 1..) = pipe.read(&mut chunk).await {
            let room = (self.cap - self.bytes.len()).min(n);
            self.bytes.extend_from_slice(&chunk[..room]);
            self.cut |= room < n;
        }
    }
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
