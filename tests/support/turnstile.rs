//! A place in a script or a check where the process waits until the test lets it go on; the test knows when it is there.
//! Two FIFOs and no clock.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::asking::PATIENCE;

/// Processes come one by one, and wait; each `open` lets one through.
pub struct Turnstile {
    here: pipe::Receiver,
    go: File,
    paths: [PathBuf; 2],
}

impl Turnstile {
    /// A turnstile of this name in a directory.
    pub fn new(dir: &Path, name: &str) -> Self {
        let paths = ["here", "go"].map(|end| dir.join(format!("{name}.{end}")));
        let made = Command::new("mkfifo").args(&paths).status();
        assert!(made.expect("mkfifo runs").success(), "two FIFOs");
        Turnstile {
            // Both are open in both directions: no open blocks, and what is written waits for its reader.
            here: pipe::OpenOptions::new()
                .read_write(true)
                .open_receiver(&paths[0])
                .expect("a FIFO"),
            go: File::options()
                .read(true)
                .write(true)
                .open(&paths[1])
                .expect("a FIFO"),
            paths,
        }
    }

    /// The shell command that goes through.
    pub fn sh(&self) -> String {
        let [here, go] = &self.paths;
        format!("echo > '{}'; read _ < '{}'", here.display(), go.display())
    }

    /// A turn of the scripted agent that goes through, and does nothing else.
    pub fn turn(&self) -> String {
        format!("[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n", self.sh())
    }

    /// A script of the agent whose first turn goes through and does nothing else; later ones do as usual.
    pub fn first_turn(&self) -> String {
        format!("then = \"default\"\n{}", self.turn())
    }

    /// Waits until somebody stands before it.
    pub async fn somebody(&mut self) {
        let arrived = tokio::time::timeout(PATIENCE, self.here.read_u8()).await;
        arrived.expect("somebody comes").expect("a FIFO");
    }

    /// Nobody has come since the last one was noticed.
    pub fn is_empty(&self) -> bool {
        self.here.try_read(&mut [0]).is_err()
    }

    /// Lets one through.
    pub fn open(&mut self) {
        self.go.write_all(b"\n").expect("a FIFO");
    }
}
