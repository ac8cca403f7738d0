//! One daemon for each data directory: a lock that the kernel gives back when the holder dies, and beside it, in the
//! same file, who holds it. A second daemon says who that is and ends; it never waits and never takes over.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use thiserror::Error;

/// The lock of a data directory, held until this is dropped.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error(
        "the data dir {dir} is in use by {holder}; stop that loopd, or start this one with another --data-dir"
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// Who holds it, as that daemon wrote it down.
        holder: String,
    },
    /// The lock file cannot be opened, locked or written.
    #[error("failed to lock {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl DataDirLock {
    /// Takes the lock of `dir`, at once or not at all.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("loopd.lock");
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        // A record lock belongs to this process alone. A lock of the open file would be shared with a child that is just
        // being started, and would outlive a killed daemon by that moment.
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DataDirLock { file }),
            Err(Errno::AGAIN | Errno::ACCESS) => {
                let mut holder = String::new();
                // The holder writes right after locking; an empty file is one that is just starting.
                let _ = (&mut file).take(1024).read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another loopd".to_owned(),
                    named => named.to_owned(),
                };
                Err(LockError::Held {
                    dir: dir.to_owned(),
                    holder,
                })
            }
            Err(error) => Err(io(error.into())),
        }
    }

    /// Writes down who holds the lock, for the daemon that is refused.
    ///
    /// # Errors
    /// What the system says.
    pub fn sign(&mut self, address: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(
            self.file,
            "loopd {} (pid {}) on {address}",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        )?;
        self.file.flush()
    }
}
