//! A look at a database that is refused, or that somebody only asks about, leaves each file as it was, to the byte: the
//! log of a killed daemon above all, which is the only copy of its last commits.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use agent_loop::store::{self, Options, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use super::support::*;

/// Each file of a directory: its mode, when it was written last, and its bytes.
type Files = BTreeMap<String, (u32, i64, Vec<u8>)>;

fn files(dir: &Path) -> Files {
    let entries = std::fs::read_dir(dir).expect("readable");
    let file = |it: std::io::Result<std::fs::DirEntry>| {
        let it = it.expect("an entry");
        let meta = it.metadata().expect("there");
        let bytes = std::fs::read(it.path()).expect("readable");
        let name = it.file_name().into_string().expect("a name");
        (name, (meta.mode(), meta.mtime_nsec(), bytes))
    };
    entries.map(file).collect()
}

/// What differs, without the bytes.
fn same(before: &Files, after: &Files) -> Result<(), String> {
    let names: Vec<&String> = before.keys().chain(after.keys()).collect();
    let other = |name: &&&String| before.get(**name) != after.get(**name);
    let seen = |files: &Files, name: &String| {
        let found = files.get(name);
        found.map(|(mode, at, bytes)| format!("{mode:o} {at} {} bytes", bytes.len()))
    };
    match names.iter().find(other) {
        Some(name) => Err(format!(
            "{name}: {:?}, then {:?}",
            seen(before, name),
            seen(after, name)
        )),
        None => Ok(()),
    }
}

/// Whether it is this one.
type Refusal = fn(&StoreError) -> bool;

/// What is there beside the database file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    /// All that a killed process leaves.
    Both,
    /// A copy of what counts: the index of the log is made anew whenever it is needed.
    Log,
    /// Nothing, as after an orderly end.
    Nothing,
}

/// The files of a database, in a place of their own; whoever has it open here will never close it there.
fn left(db: &Connection, beside: Beside) -> TempDir {
    let left = tempfile::tempdir().expect("a directory");
    let sides: &[&str] = match beside {
        Beside::Both => &["", "-wal", "-shm"],
        Beside::Log => &["", "-wal"],
        Beside::Nothing => {
            let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
            let held = db.query_row(fold, [], |row| row.get::<_, bool>(0));
            assert!(!held.expect("folds"), "somebody reads it");
            &[""]
        }
    };
    let path = db.path().expect("a file");
    for side in sides {
        let name = format!("{}{side}", store::FILE_NAME);
        std::fs::copy(format!("{path}{side}"), left.path().join(&name)).expect("copies");
    }
    if beside != Beside::Nothing {
        let log = left.path().join(format!("{}-wal", store::FILE_NAME));
        assert!(log.metadata().expect("a log").len() > 0, "nothing is in it");
    }
    // A mode that loopd would put right in a database of its own.
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(store::file(left.path()), mode).expect("sets");
    left
}

/// With commits in the file, and later ones in the log.
async fn with_runs(bench: &Bench) -> Connection {
    for n in 0..20 {
        bench.create(&format!("run{n}")).await;
    }
    let raw = bench.raw();
    raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("folds");
    bench.create("last").await;
    raw
}

async fn damaged(beside: Beside) -> TempDir {
    let bench = Bench::new();
    let left = left(&with_runs(&bench).await, beside);
    let path = store::file(left.path());
    let mut torn = std::fs::read(&path).expect("readable");
    // Not where it says what there is: only who looks through all of it sees that.
    let half = torn.len() / 2;
    torn[half..].fill(0xa5);
    std::fs::write(&path, torn).expect("writes");
    left
}

async fn newer(beside: Beside) -> TempDir {
    let bench = Bench::new();
    let raw = with_runs(&bench).await;
    raw.execute_batch("PRAGMA user_version = 99; CREATE TABLE later (x)")
        .expect("upgrades");
    left(&raw, beside)
}

fn foreign(beside: Beside) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let theirs = raw(dir.path());
    theirs
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE theirs (x)")
        .expect("theirs");
    left(&theirs, beside)
}

#[tokio::test]
async fn a_database_that_is_refused_keeps_its_log_and_every_byte() {
    let is_damaged: Refusal = |error| matches!(error, StoreError::Damaged { .. });
    let is_newer: Refusal = |error| matches!(error, StoreError::Newer { found: 99, .. });
    let is_foreign: Refusal = |error| matches!(error, StoreError::Foreign { .. });
    for beside in [Beside::Both, Beside::Log, Beside::Nothing] {
        let kinds = [
            (damaged(beside).await, is_damaged),
            (newer(beside).await, is_newer),
            (foreign(beside), is_foreign),
        ];
        for (dir, is_told) in kinds {
            let before = files(dir.path());
            // Whoever starts it again and again is refused again and again.
            for _ in 0..2 {
                let refused = store::open(dir.path(), Options::default()).map(|_| ());
                let error = refused.expect_err("it opened");
                assert!(is_told(&error), "{beside:?}: {error}");
                let after = files(dir.path());
                same(&before, &after).unwrap_or_else(|why| panic!("{beside:?}: {error}: {why}"));
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_somebody_has_open_is_refused_and_theirs_all_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let theirs = raw(dir.path());
    theirs
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE theirs (x)")
        .expect("theirs");
    let before = files(dir.path());
    let refused = store::open(dir.path(), Options::default()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Foreign { .. })));
    let mut after = files(dir.path());
    // Who reads beside them is noted in the index of the log, which is theirs to make anew.
    let index = format!("{}-shm", store::FILE_NAME);
    after.insert(index.clone(), before[&index].clone());
    same(&before, &after).unwrap_or_else(|why| panic!("{why}"));
    theirs
        .execute_batch("INSERT INTO theirs VALUES (1)")
        .expect("they go on");
}

#[tokio::test]
async fn a_journal_of_another_program_is_not_obeyed() {
    let dir = tempfile::tempdir().expect("a directory");
    let theirs = raw(dir.path());
    // Killed in the midst of a transaction that had outgrown its memory.
    theirs
        .execute_batch(
            "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (zeroblob(100000));
             PRAGMA cache_size = 1; BEGIN; UPDATE theirs SET x = randomblob(100000)",
        )
        .expect("theirs");
    let left = tempfile::tempdir().expect("a directory");
    for side in ["", "-journal"] {
        let name = format!("{}{side}", store::FILE_NAME);
        let from = dir.path().join(&name);
        assert!(from.metadata().expect("a file").len() > 0, "{name}");
        std::fs::copy(from, left.path().join(&name)).expect("copies");
    }
    let before = files(left.path());
    let refused = store::open(left.path(), Options::default()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Foreign { .. })));
    same(&before, &files(left.path())).unwrap_or_else(|why| panic!("{why}"));
    // It is one that SQLite would have obeyed.
    let rolled_back =
        raw(left.path()).query_row("SELECT x = zeroblob(100000) FROM theirs", [], |row| {
            row.get::<_, bool>(0)
        });
    assert!(rolled_back.expect("readable"), "nothing was half done");
    assert!(same(&before, &files(left.path())).is_err());
}

#[tokio::test]
async fn what_a_killed_daemon_committed_is_there_when_it_is_opened_again() {
    for beside in [Beside::Both, Beside::Log] {
        let bench = Bench::new();
        let dir = left(&with_runs(&bench).await, beside);
        let before = files(dir.path());
        let looked = store::open_reading(dir.path(), Options::default()).expect("opens");
        assert_eq!(
            looked.run(&id("last")).await.expect("readable"),
            Some(bench.run("last").await)
        );
        drop(looked);
        let mut after = files(dir.path());
        let index = format!("{}-shm", store::FILE_NAME);
        after.remove(&index);
        before
            .get(&index)
            .map(|shm| after.insert(index, shm.clone()));
        same(&before, &after).unwrap_or_else(|why| panic!("{beside:?}: {why}"));
        let (_writer, reader) = store::open(dir.path(), Options::default()).expect("opens");
        assert_eq!(
            reader.run(&id("last")).await.expect("readable"),
            Some(bench.run("last").await)
        );
        assert_eq!(reader.replay().await.expect("replays"), []);
    }
}

#[tokio::test]
async fn a_look_at_a_database_that_was_closed_in_order_leaves_the_directory_as_it_was() {
    let bench = Bench::new();
    let dir = left(&with_runs(&bench).await, Beside::Nothing);
    let before = files(dir.path());
    let looked = store::open_reading(dir.path(), Options::default()).expect("opens");
    assert_eq!(looked.replay().await.expect("replays"), []);
    drop(looked);
    same(&before, &files(dir.path())).unwrap_or_else(|why| panic!("{why}"));
    // Nor is one made by looking for it.
    let nowhere = tempfile::tempdir().expect("a directory");
    assert!(store::open_reading(nowhere.path(), Options::default()).is_err());
    assert_eq!(files(nowhere.path()), Files::new());
}

#[tokio::test]
async fn a_daemon_that_was_killed_as_it_began_its_database_begins_it_again() {
    let dir = tempfile::tempdir().expect("a directory");
    // The first page is half written, and the journal says that there was none.
    let begun = raw(dir.path());
    begun
        .execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE begun (x); INSERT INTO begun VALUES (randomblob(100000))")
        .expect("begins");
    let left = tempfile::tempdir().expect("a directory");
    for side in ["", "-journal"] {
        let name = format!("{}{side}", store::FILE_NAME);
        std::fs::copy(dir.path().join(&name), left.path().join(&name)).expect("copies");
    }
    let path = store::file(left.path());
    let mut torn = std::fs::read(&path).expect("readable");
    assert!(torn.len() > 100, "it was begun");
    torn[..16].fill(0);
    std::fs::write(&path, torn).expect("writes");
    let (_writer, reader) = store::open(left.path(), Options::default()).expect("opens");
    assert_eq!(reader.replay().await.expect("replays"), []);
}
