//! A database that is gone: the data directory has traces of runs, and the database knows of none. It is never begun anew
//! over them. Agents of those runs may still be at work, and a copy of the database may still be put back.
//! Not here: a database that is there and damaged, which SQLite finds by itself.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::{Fault, StoreError};
use super::look;

/// What SQLite keeps beside a database.
const SIDES: [&str; 2] = ["-wal", "-shm"];
/// The folder of the runs' files, and how the directory of a run begins.
const RUNS: (&str, &str) = ("runs", "run-");

/// Refuses a database file that is missing or empty where there have been runs. To be asked before SQLite opens it, which
/// drops the log of an empty database.
pub(super) fn file_is_kept(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let state = match fs::metadata(path) {
        Ok(found) if found.len() > 0 => return Ok(()),
        Ok(_) => "is empty",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is missing",
        Err(source) => {
            return Err(StoreError::Open {
                path: path.to_owned(),
                source,
            });
        }
    };
    match side_of(path).or_else(|| run_in(dir)) {
        Some(trace) => Err(lost(dir, path, state, trace)),
        None => Ok(()),
    }
}

/// Refuses a database without a single run where there have been runs: what it knew was in a log that is gone.
pub(super) fn runs_are_kept(conn: &Connection, dir: &Path, path: &Path) -> Result<(), Fault> {
    let Some(trace) = run_in(dir) else {
        return Ok(());
    };
    let named = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'runs')";
    let any = "SELECT EXISTS (SELECT 1 FROM runs)";
    let is = |sql| conn.query_row(sql, [], |row| row.get::<_, bool>(0));
    if is(named)? && is(any)? {
        return Ok(());
    }
    Err(lost(dir, path, "holds no run", trace).into())
}

fn lost(dir: &Path, path: &Path, state: &'static str, trace: PathBuf) -> StoreError {
    StoreError::Lost {
        path: path.to_owned(),
        state,
        trace,
        dir: dir.to_owned(),
    }
}

fn side_of(path: &Path) -> Option<PathBuf> {
    let mut sides = SIDES.into_iter().map(|which| look::side(path, which));
    sides.find(|side| side.exists())
}

/// The directory of a run that has files: a step's, or a report.
fn run_in(dir: &Path) -> Option<PathBuf> {
    let (folder, prefix) = RUNS;
    let entries = fs::read_dir(dir.join(folder)).ok()?.flatten();
    let mut runs = entries.filter(|it| it.file_name().to_string_lossy().starts_with(prefix));
    let used = |it: &PathBuf| fs::read_dir(it).is_ok_and(|mut files| files.next().is_some());
    runs.find_map(|it| Some(it.path()).filter(used))
}
