//! The files by which a keeper and a daemon know of each other, in the step's directory. Each appears whole or not at
//! all, and is on the disk before anybody acts on it. Not here: the output of the commands.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::KeeperError;
use crate::effect::private;

/// What to do, from the daemon to the keeper; gone once the keeper has read it.
pub const JOB: &str = "job.json";
/// Who the keeper is; written before the first command starts.
pub const KEEPER: &str = "keeper.json";
/// How it ended; written when no process of the step is left.
pub const EXIT: &str = "exit.json";
/// What a keeper says when it breaks; empty as a rule.
pub const LOG: &str = "keeper.log";
/// Held by a keeper for its life.
pub const LIFE_LOCK: &str = "keeper.lock";
/// Held by a keeper from before it takes the life lock until it is recorded: who finds that other lock taken while
/// holding this one knows that `keeper.json` is there.
pub const START_LOCK: &str = "start.lock";

/// Writes a value as JSON: a temporary file beside it, synced, renamed, the directory synced. Mode 0600.
pub fn write(path: &Path, value: &impl Serialize) -> Result<(), KeeperError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let text = serde_json::to_vec(value).map_err(|source| KeeperError::Shape {
        path: path.to_owned(),
        source,
    })?;
    let put = || {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(dir)?.sync_all()
    };
    put().map_err(KeeperError::at("write", path))
}

/// Reads a value; `None` when the file does not exist.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KeeperError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(KeeperError::at("read", path)(e)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| KeeperError::Shape {
            path: path.to_owned(),
            source,
        })
}

/// Removes a file of ours; none there is fine.
pub fn remove(path: &Path) -> Result<(), KeeperError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(KeeperError::at("remove", path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes a lock, waiting for it if need be. It is released when the file is dropped or the process dies.
pub fn lock(path: &Path) -> Result<File, KeeperError> {
    let file = open_lock(path)?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(KeeperError::at("lock", path)(errno.into())),
        }
    }
}

/// Takes a lock, or says by `None` that another holds it.
pub fn try_lock(path: &Path) -> Result<Option<File>, KeeperError> {
    let file = open_lock(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(KeeperError::at("lock", path)(errno.into())),
    }
}

fn open_lock(path: &Path) -> Result<File, KeeperError> {
    private::options()
        .write(true)
        .open(path)
        .map_err(KeeperError::at("open", path))
}
