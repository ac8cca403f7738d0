//! One daemon for each data directory: locks that the kernel gives back when the holder dies, on the directory itself and
//! on a file in it that says who holds it. The file may be removed by somebody who takes it for a leftover; the directory
//! stays locked. A second daemon says who holds it and ends; it never takes over.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;
use thiserror::Error;

/// How long a directory may stay locked without a signed lock file before somebody is taken to serve it. A child that a
/// killed daemon was just starting shares the lock of the directory until its program is loaded.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// The lock of a data directory, held until this is dropped.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
    /// Kept open for its lock. `None` where the file system locks no directories.
    _dir: Option<File>,
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
        let held = |holder: String| LockError::Held {
            dir: dir.to_owned(),
            holder,
        };
        let locked_dir = match lock_dir(dir, &path).map_err(io)? {
            Directory::Locked(file) => Some(file),
            Directory::Unlockable => None,
            Directory::Held(holder) => return Err(held(holder)),
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
            Ok(()) => Ok(DataDirLock {
                file,
                _dir: locked_dir,
            }),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(held(signed(&mut file))),
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

/// How the lock of the directory itself was met.
enum Directory {
    Locked(File),
    /// Its file system has no such locks; the file's has to do.
    Unlockable,
    /// By whom.
    Held(String),
}

/// Locks the directory itself. `path` is the lock file in it, which names the holder while it is there.
fn lock_dir(dir: &Path, path: &Path) -> std::io::Result<Directory> {
    let file = File::open(dir)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Directory::Locked(file)),
            Err(Errno::AGAIN) => {}
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "failed to lock the data dir itself; only its lock file is locked");
                return Ok(Directory::Unlockable);
            }
        }
        if let Some(holder) = holder(path)? {
            return Ok(Directory::Held(holder));
        }
        if Instant::now() >= until {
            let holder = "another loopd, whose loopd.lock was removed".to_owned();
            return Ok(Directory::Held(holder));
        }
        std::thread::sleep(LOOK);
    }
}

/// Who holds the lock file; `None` when nobody does, or there is none.
fn holder(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        // Given back with the file.
        Ok(()) => Ok(None),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(Some(signed(&mut file))),
        Err(error) => Err(error.into()),
    }
}

/// What the holder of the lock file wrote down, right after locking it; an empty file is one that is just starting.
fn signed(file: &mut File) -> String {
    let mut holder = String::new();
    // What cannot be read names nobody.
    let _ = file.take(1024).read_to_string(&mut holder);
    match holder.trim() {
        "" => "another loopd".to_owned(),
        named => named.to_owned(),
    }
}
