//! The look at a database before anything is written: whether it is ours, of a format that this version reads, kept and
//! whole. It leaves every file as it is. A log that a killed daemon left beside the database is the only copy of its last
//! commits, and what a damaged database is salvaged with: it is read, and folded into the file only by whoever may write.
//! Not here: what is set and migrated afterwards.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, StoreError};
use super::lost;
use super::open::{APPLICATION_ID, ours, pragma, settle};

/// What a look has found that refused nothing.
#[must_use]
pub(super) enum Looked {
    /// Ours and whole, or not there yet.
    Whole,
    /// Somebody was killed as the database was begun: only SQLite can say what is in it, and takes back what was half
    /// done as soon as it is opened for writing.
    HalfDone,
}

/// Looks through the whole database in `dir`, for a daemon that has the directory to itself.
///
/// # Errors
/// What refuses it; all that was there is as it was then, to the byte.
pub(super) fn before_writing(dir: &Path, path: &Path, busy: Duration) -> Result<Looked, Fault> {
    // Nothing is made by looking for it.
    if !path.exists() {
        return Ok(Looked::Whole);
    }
    if let Err(source) = File::options().read(true).write(true).open(path) {
        let path = path.to_owned();
        return Err(StoreError::Open { path, source }.into());
    }
    if side(path, "-journal").exists() {
        return half_done(path);
    }
    // Where somebody else has it open, too, they look after the files beside it.
    let conn = match alone(path) {
        Ok(conn) => conn,
        Err(_) => looking(path, busy)?,
    };
    whole(&conn, dir, path).map(|()| Looked::Whole)
}

/// Makes sure that the database in `dir` is one that this version can read. The files beside it, which SQLite needs for
/// reading, go with the connection where there were none.
pub(super) fn before_reading(dir: &Path, path: &Path, busy: Duration) -> Result<Connection, Fault> {
    let conn = looking(path, busy)?;
    recognise(&conn, path)?;
    lost::runs_are_kept(&conn, dir, path)?;
    Ok(conn)
}

/// Refuses what is not ours, not ours yet, lost or damaged.
pub(super) fn whole(conn: &Connection, dir: &Path, path: &Path) -> Result<(), Fault> {
    recognise(conn, path)?;
    lost::runs_are_kept(conn, dir, path)?;
    sound(conn, path)
}

/// A connection that nobody stands beside: it keeps its index of the log in memory, and makes no file for it.
fn alone(path: &Path) -> Result<Connection, Fault> {
    let conn = looking(path, Duration::ZERO)?;
    conn.pragma_update(None, "locking_mode", "exclusive")?;
    // The first thing that is read takes the lock.
    pragma(&conn, "user_version")?;
    Ok(conn)
}

/// Opens a connection that writes nothing. It may all the same lock and clear up as a writer may, so that the files which
/// SQLite makes beside the database for it go with it; but none goes that was there before.
fn looking(path: &Path, busy: Duration) -> Result<Connection, Fault> {
    let log = side(path, "-wal").exists();
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // The last one to close a database folds its log into it, and removes the log.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, log)?;
    settle(&conn, busy)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// Looks past a journal that says how to take back what was half done: SQLite obeys it at the first look that could
/// write. A database of ours has one only while it is begun.
fn half_done(path: &Path) -> Result<Looked, Fault> {
    let conn = Connection::open_with_flags(
        immutable(path),
        OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI,
    )?;
    match recognise(&conn, path) {
        Err(refused @ Fault::Told(_)) => Err(refused),
        // What cannot be read like this may be whole when it has been taken back.
        Ok(()) | Err(Fault::Sqlite(_)) => Ok(Looked::HalfDone),
    }
}

/// The file alone, as it stands, without a lock and without what is beside it. In a URI each byte may stand as its number.
fn immutable(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            // Writing to a string does not fail.
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri + "?immutable=1"
}

/// A file that SQLite keeps beside a database: `-wal`, `-shm` or `-journal`.
pub(super) fn side(path: &Path, which: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(which);
    name.into()
}

/// Refuses what is not ours or not ours yet.
fn recognise(conn: &Connection, path: &Path) -> Result<(), Fault> {
    let found = pragma(conn, "application_id")?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found != APPLICATION_ID && (found != 0 || tables != 0) {
        return Err(StoreError::Foreign {
            path: path.to_path_buf(),
            found,
        }
        .into());
    }
    let (format, ours) = (pragma(conn, "user_version")?, ours());
    if format > ours {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found: format,
            ours,
        }
        .into());
    }
    Ok(())
}

/// Looks through the pages once: damage is told at the start, not in the middle of a run.
fn sound(conn: &Connection, path: &Path) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_path_buf(),
        detail: verdict,
    }
    .into())
}
