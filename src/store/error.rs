//! What can go wrong with the store, in words that say which file it is about and what to do next.
//! Refusals of the lifecycle are not errors: they are answers of [`apply`](super::apply).

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store could not do what it was asked for. Nothing of the request was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory or the file in it cannot be made, opened or given its mode.
    #[error("open the database {}: {source}; see that the directory exists and belongs to the user of loopd", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer loopd has written this database.
    #[error("open the database {}: its format is {found} and this loopd knows formats up to {ours}; start the newer loopd again, or name another directory with --data-dir", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The format found in it.
        found: i64,
        /// The newest format known here.
        ours: i64,
    },
    /// A database, but of another program.
    #[error("open the database {}: it belongs to another program (application id {found:#x}); name another directory with --data-dir", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// The application id found in it.
        found: i64,
    },
    /// The file is not a whole database.
    #[error("read the database {}: it is damaged ({detail}); stop loopd, move the file and its -wal aside, and restore a copy or salvage it with `sqlite3 FILE .recover`", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// No runs in the database, where there have been some: it, or the log beside it, was lost.
    #[error("open the database {}: it {state}, and {trace} says that there were runs; put loopd.db back from a copy, or, to begin anew, end the agents that are still at work (LOOPD_STEP in their environment) and move what is in {} aside", path.display(), dir.display())]
    Lost {
        /// The database file.
        path: PathBuf,
        /// How it was found.
        state: &'static str,
        /// What is left of its runs.
        trace: PathBuf,
        /// The data directory.
        dir: PathBuf,
    },
    /// Somebody else held the write lock for longer than the busy time-out. Passes when they let go.
    #[error("write to the database {}: another process holds its lock; end that process (a shell of sqlite3, a backup) and ask again", path.display())]
    Busy {
        /// The database file.
        path: PathBuf,
    },
    /// No room left. Passes when there is.
    #[error("write to the database {}: the disk is full; make room and ask again", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The file system takes no writes: it is read-only, or fails. Passes when it takes them again.
    #[error("write to the database {}: {detail}; see that its file system is mounted for writing and works, and ask again", path.display())]
    Unwritable {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// SQLite refused; a bug of ours or an unusual file system.
    #[error("{doing} in the database {}: {source}", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A stored value that this loopd cannot read.
    #[error("read {what}: {detail}; run `loopd check`")]
    Unreadable {
        /// Which value of which run.
        what: String,
        /// What was wrong with it.
        detail: String,
    },
    /// The run named is not in the database.
    #[error("no run has the id {0}")]
    NoSuchRun(String),
    /// The step named is not in the database.
    #[error("no step has the id {0}")]
    NoSuchStep(String),
    /// The thread that was asked has ended: the daemon is stopping, or it was made to crash.
    #[error(
        "reach the database: its thread has ended; the daemon is stopping, ask again when it runs"
    )]
    Gone,
}

impl StoreError {
    /// Whether the same request may succeed later without anything being changed.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Busy { .. } | StoreError::Full { .. } | StoreError::Unwritable { .. } => {
                true
            }
            StoreError::Open { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Damaged { .. }
            | StoreError::Lost { .. }
            | StoreError::Sqlite { .. }
            | StoreError::Unreadable { .. }
            | StoreError::NoSuchRun(_)
            | StoreError::NoSuchStep(_)
            | StoreError::Gone => false,
        }
    }
}

/// What the functions inside of the room return: the path and the deed are added where a request leaves it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite said so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Ready to be told.
    #[error(transparent)]
    Told(#[from] StoreError),
}

impl Fault {
    /// A stored value that cannot be read.
    pub(super) fn unreadable(what: impl Into<String>, detail: impl ToString) -> Self {
        Fault::Told(StoreError::Unreadable {
            what: what.into(),
            detail: detail.to_string(),
        })
    }

    /// The error for the outside.
    pub(super) fn tell(self, path: &Path, doing: &'static str) -> StoreError {
        let source = match self {
            Fault::Told(told) => return told,
            Fault::Sqlite(source) => source,
        };
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
                path,
                detail: source.to_string(),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::SystemIoFailure) => StoreError::Unwritable {
                path,
                detail: source.to_string(),
            },
            _ => StoreError::Sqlite {
                path,
                doing,
                source,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    /// Here and not in the suite: no test can make SQLite say all of this.
    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for (code, name, passes) in [
            (ffi::SQLITE_BUSY, "Busy", true),
            (ffi::SQLITE_BUSY_SNAPSHOT, "Busy", true),
            (ffi::SQLITE_LOCKED, "Busy", true),
            (ffi::SQLITE_FULL, "Full", true),
            (ffi::SQLITE_READONLY, "Unwritable", true),
            (ffi::SQLITE_READONLY_DBMOVED, "Unwritable", true),
            (ffi::SQLITE_IOERR, "Unwritable", true),
            (ffi::SQLITE_IOERR_FSYNC, "Unwritable", true),
            (ffi::SQLITE_CORRUPT, "Damaged", false),
            (ffi::SQLITE_NOTADB, "Damaged", false),
            (ffi::SQLITE_CONSTRAINT, "Sqlite", false),
            (ffi::SQLITE_ERROR, "Sqlite", false),
        ] {
            let fault = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let told = Fault::from(fault).tell(Path::new("/data/loopd.db"), "try");
            assert!(format!("{told:?}").starts_with(name), "{code}: {told:?}");
            assert_eq!(told.is_transient(), passes, "{told:?}");
            assert!(told.to_string().contains("/data/loopd.db"), "{told}");
        }
    }
}
