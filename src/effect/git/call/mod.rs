//! One call of git: arguments only, no shell, no prompt, a clean environment.
//!
//! What a call means is not known here. Settings go in through `GIT_CONFIG_COUNT` (they win over every file, need no
//! quoting, and reach the processes that git itself starts).

mod line;

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    GitError, GitErrorKind, Result,
    denied::{closed, kept_from_writing},
    error::excerpt,
    process::{Ended, drive},
    room::is_full,
};
use crate::crash::{Crash, Place};

/// What a call may print where an answer is expected in full: lists of paths of a very large repository.
const CAP_BYTES: usize = 256 << 20;

/// Settings of every call: nothing is executed that a repository names, nothing happens in the background.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.safecrlf", "false"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    ("merge.verifySignatures", "false"),
    ("merge.autoStash", "false"),
    ("submodule.recurse", "false"),
    ("i18n.commitEncoding", "UTF-8"),
];

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
    /// Its answer is of use without its end.
    may_be_cut: bool,
    crash: Crash,
}

/// What a call that ended by itself left. One that a signal ended is an error instead: it has answered nothing, and must
/// not be taken for a no.
#[derive(Debug)]
pub(super) struct Output {
    pub code: i32,
    pub stdout: Vec<u8>,
    /// More was printed than was kept.
    pub cut: bool,
    pub stderr: Vec<u8>,
    tried: String,
    /// What the call was about.
    repository: PathBuf,
    /// Where the call may have written.
    places: Vec<PathBuf>,
}

impl Output {
    /// The failure that this output tells of.
    pub(super) fn error(&self) -> GitError {
        let error = GitError::said(self.tried.clone(), &self.stderr, || is_full(&self.places));
        match error.kind {
            GitErrorKind::MissingRepo | GitErrorKind::Permanent => {
                match (self.closed(&error.said), error.kind) {
                    (Some(place), _) => GitError::denied(self.tried.clone(), &place),
                    (None, GitErrorKind::MissingRepo) => {
                        GitError::missing(&self.repository, &error.said)
                    }
                    (None, _) => error,
                }
            }
            GitErrorKind::Transient
            | GitErrorKind::NoSpace
            | GitErrorKind::ReadOnly
            | GitErrorKind::Denied
            | GitErrorKind::Held => error,
        }
    }

    /// The place of the repository that this user may not use; it is looked for, whatever git says of it.
    fn closed(&self, said: &str) -> Option<PathBuf> {
        // Of a write it is only asked where git says that much: most calls do not write.
        let is_refused = ["Permission denied", "insufficient permission"]
            .iter()
            .any(|words| said.contains(words));
        let written = || is_refused.then(|| kept_from_writing(&self.repository));
        closed(&self.repository).or_else(|| written().flatten())
    }
}

impl Call {
    /// A call of `program` in `cwd`; `quick` is its time, `slow` the time of one that walks a working tree.
    pub(super) fn new(
        program: &Path,
        cwd: &Path,
        args: Vec<OsString>,
        quick: Duration,
        slow: Duration,
    ) -> Call {
        Call {
            program: program.into(),
            args,
            cwd: cwd.into(),
            env: Vec::new(),
            settings: SETTINGS
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
            stdin: Vec::new(),
            timeout: quick,
            slow,
            cap: CAP_BYTES,
            may_be_cut: false,
            crash: Crash::default(),
        }
    }

    /// The daemon may die around this call, if it changes something.
    pub(super) fn dying(mut self, crash: Crash) -> Call {
        self.crash = crash;
        self
    }

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
        self.may_be_cut = true;
        self
    }

    /// Runs it; any exit status is an answer.
    ///
    /// # Errors
    /// Transient, when it was killed or gave no answer in its time.
    pub(super) async fn output(self) -> Result<Output> {
        let tried = self.tried();
        let change = self.change();
        if let Some(change) = change {
            self.crash.pass_on(Place::Calling, change).await;
        }
        let child = match self.command().spawn() {
            Ok(child) => child,
            Err(error) => return Err(self.not_started(tried, &error)),
        };
        let ended = drive(child, &self.stdin, self.cap, self.timeout).await;
        let Ended {
            status,
            stdout,
            cut,
            stderr,
        } = ended.map_err(|error| GitError::permanent(tried.as_str(), error.to_string()))?;
        if let Some(change) = change {
            self.crash.pass_on(Place::Called, change).await;
        }
        let Some(status) = status else {
            let said = format!("no answer within {:?}; {}", self.timeout, excerpt(&stderr));
            return Err(GitError::transient(tried, said));
        };
        match status.code() {
            Some(code) => Ok(Output {
                code,
                stdout,
                cut,
                stderr,
                tried,
                repository: self.repository(),
                places: self.places(),
            }),
            None => Err(GitError::killed(tried, status.signal(), &stderr)),
        }
    }

    /// Runs it; anything but success is an error, and so is an answer that had to be cut.
    pub(super) async fn ok(self) -> Result<Output> {
        let (cap, may_be_cut) = (self.cap, self.may_be_cut);
        let output = self.output().await?;
        match output.code {
            0 if output.cut && !may_be_cut => Err(GitError::permanent(
                output.tried,
                format!("its answer is larger than {cap} bytes"),
            )),
            0 => Ok(output),
            _ => Err(output.error()),
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
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(output.error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Call {
        let args = vec!["-c".into(), script.into()];
        let limit = Duration::from_secs(60);
        Call::new(Path::new("/bin/sh"), Path::new("/"), args, limit, limit)
    }

    #[tokio::test]
    async fn an_answer_that_is_needed_whole_is_an_error_when_it_is_cut() {
        let mut long = shell("printf 123456");
        long.cap = 5;
        let error = long.ok().await.expect_err("it is cut");
        assert!(error.said.contains("larger than 5 bytes"), "{error}");
        let mut fits = shell("printf 12345");
        fits.cap = 5;
        assert_eq!(fits.ok().await.expect("it fits").stdout, b"12345");
        let beginning = shell("printf 123456").cap(5).ok().await.expect("it may be");
        assert!(beginning.cut && beginning.stdout == b"12345");
    }
}
