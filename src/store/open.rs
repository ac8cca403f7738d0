//! Opening: the file and its mode, the pragmas of every connection, the format of the database and its migrations.
//! Nothing is written before the look at what is there (`look.rs`) has found it to be ours and whole. The generated lookup
//! rows and guards are laid anew at each start, so that they always fit the machines compiled in.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{Fault, StoreError};
use super::guards;
use super::look::{self, Looked};
use super::lost;

/// The file in the data directory.
pub const FILE_NAME: &str = "loopd.db";

/// "loop" in ASCII: tells a database of ours from any other.
pub(super) const APPLICATION_ID: i64 = 0x6c6f_6f70;

/// Step `n` brings a database from format `n` to `n + 1`. Only ever append.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("handover.sql"),
    include_str!("naming.sql"),
    include_str!("notes.sql"),
];

/// How many statements a connection keeps prepared; more than there are in the room.
const PREPARED: usize = 96;

/// The path of the database in a data directory.
pub fn file(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Opens, checks and migrates the database in `dir`; makes both where they are missing.
pub(super) fn writing(dir: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let path = file(dir);
    lost::file_is_kept(dir, &path)?;
    let told = |doing| move |fault: Fault| fault.tell(&file(dir), doing);
    let looked = look::before_writing(dir, &path, busy).map_err(told("look at"))?;
    private_file(dir, &path).map_err(|source| StoreError::Open {
        path: path.clone(),
        source,
    })?;
    let mut conn = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|e| told("open")(e.into()))?;
    settle(&conn, busy).map_err(told("set up"))?;
    match looked {
        Looked::Whole => {}
        // SQLite has taken back what was half done there as it read the first page.
        Looked::HalfDone => look::whole(&conn, dir, &path).map_err(told("look at"))?,
    }
    conn.pragma_update(None, "journal_mode", "wal")
        .and_then(|()| conn.pragma_update(None, "synchronous", "full"))
        // A reader that pinned the log once must not leave a huge file behind.
        .and_then(|()| conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024))
        .map_err(|e| told("set up")(e.into()))?;
    migrate(&mut conn).map_err(told("migrate"))?;
    Ok(conn)
}

/// Opens one more connection that can only read.
pub(super) fn reading(path: &Path, busy: Duration) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    settle(&conn, busy)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// The settings that belong to a connection, not to the file.
pub(super) fn settle(conn: &Connection, busy: Duration) -> Result<(), Fault> {
    conn.busy_timeout(busy)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Only the user of the daemon may read what agents are told and said. SQLite gives its side files the same mode.
fn private_file(dir: &Path, path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Brings the format up to ours and lays the guards, all or nothing. A second process that starts at the same moment
/// waits for the lock and finds the work done.
fn migrate(conn: &mut Connection) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format = usize::try_from(pragma(&tx, "user_version")?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(format) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", ours())?;
    guards::lay(&tx)?;
    tx.commit()?;
    Ok(())
}

/// The newest format that this build knows.
pub(super) fn ours() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

pub(super) fn pragma(conn: &Connection, name: &str) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Here and not in the suite: a connection alone knows how it writes.
    #[test]
    fn what_was_answered_is_on_the_disk() {
        let dir = tempfile::tempdir().expect("a directory");
        let conn = writing(dir.path(), Duration::from_secs(7)).expect("opens");
        let mode: String = conn
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .expect("readable");
        assert_eq!(mode, "wal");
        for (name, value) in [
            // FULL: the log is written to the disk with every commit.
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("trusted_schema", 0),
            ("busy_timeout", 7000),
            ("journal_size_limit", 64 << 20),
        ] {
            assert_eq!(pragma(&conn, name).expect("readable"), value, "{name}");
        }
    }
}
