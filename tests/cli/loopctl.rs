//! The real binary with a clean environment and a throw-away home.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::process::Command;

/// What a command left behind.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

/// A user with an empty home.
pub struct User {
    pub home: TempDir,
}

impl User {
    pub fn new() -> Self {
        User {
            home: TempDir::new().expect("a temporary directory"),
        }
    }

    /// A command in an empty environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loopctl"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it against an address.
    pub async fn at(&self, addr: &str, args: &[&str]) -> Ended {
        let mut command = self.command(args);
        command.env("LOOPD_ADDR", addr);
        command.output().await.expect("loopctl starts").into()
    }

    /// Runs it without any daemon in mind.
    pub async fn alone(&self, args: &[&str]) -> Ended {
        let mut command = self.command(args);
        command.output().await.expect("loopctl starts").into()
    }

    /// Writes the token file of the default data directory.
    pub fn token(&self, token: &str) {
        let dir = self.home.path().join(".local/share/loopd");
        std::fs::create_dir_all(&dir).expect("data dir");
        std::fs::write(dir.join("token"), token).expect("token file");
    }

    /// Makes a file in the home.
    pub fn file(&self, path: impl AsRef<Path>, text: impl AsRef<OsStr>) {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, text.as_ref().as_encoded_bytes()).expect("file");
    }
}
