//! Opening a database: ours, somebody else's, a newer one, a damaged one; and who may write to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_loop::core::run::RunId;
use agent_loop::core::time::Time;
use agent_loop::store::{self, Options, StoreError};

use super::support::*;

fn refused(dir: &std::path::Path) -> StoreError {
    store::open(dir, Options::default())
        .map(|_| ())
        .expect_err("it opened")
}

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let bench = Bench::new();
    bench.create("a").await;
    let before = bench.complete("a").await;
    bench.writer.clone().close().await;
    let gone = bench
        .writer
        .apply(store::Apply::new(before.id.clone(), claim(), Time(1)))
        .await;
    assert!(matches!(gone, Err(StoreError::Gone)));
    let (_, reader) = store::open(bench.dir.path(), Options::default()).expect("opens");
    assert_eq!(
        reader.run(&before.id).await.expect("readable"),
        Some(before)
    );
    assert_eq!(reader.replay().await.expect("replays"), []);
}

#[tokio::test]
async fn only_the_user_of_the_daemon_may_read_the_files() {
    let bench = Bench::new();
    bench.create("a").await;
    let mode =
        |path: &std::path::Path| path.metadata().expect("a file").permissions().mode() & 0o777;
    let path = store::file(bench.dir.path());
    for side in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("{}{side}", store::FILE_NAME));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("sets");
    store::open(bench.dir.path(), Options::default()).expect("opens");
    assert_eq!(mode(&path), 0o600, "a mode that is too wide is put right");
    let fresh = bench.dir.path().join("a/b");
    store::open(&fresh, Options::default()).expect("opens");
    assert_eq!(mode(&fresh), 0o700);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.writer.clone().close().await;
    bench
        .raw()
        .execute_batch("PRAGMA user_version = 7; CREATE TABLE later (x)")
        .expect("upgrades");
    let before = bench.everything();
    let error = refused(bench.dir.path());
    assert!(matches!(
        &error,
        StoreError::Newer {
            found: 7,
            ours: 4,
            ..
        }
    ));
    let said = error.to_string();
    let path = store::file(bench.dir.path()).display().to_string();
    for part in [path.as_str(), "format is 7", "up to 4", "--data-dir"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(bench.everything(), before);
    let looked_at = store::open_reading(bench.dir.path(), Options::default());
    assert!(matches!(looked_at, Err(StoreError::Newer { .. })));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    raw(dir.path())
        .execute_batch("CREATE TABLE theirs (x)")
        .expect("theirs");
    let bytes = || std::fs::read(store::file(dir.path())).expect("readable");
    let theirs = bytes();
    assert!(matches!(
        refused(dir.path()),
        StoreError::Foreign { found: 0, .. }
    ));
    assert!(bytes() == theirs, "it was written to");
    raw(dir.path())
        .execute_batch("PRAGMA application_id = 252006674")
        .expect("theirs");
    let looked_at = store::open_reading(dir.path(), Options::default());
    assert!(matches!(looked_at, Err(StoreError::Foreign { .. })));
    let theirs = bytes();
    assert!(matches!(
        refused(dir.path()),
        StoreError::Foreign {
            found: 252006674,
            ..
        }
    ));
    assert!(bytes() == theirs, "it was written to");
}

#[tokio::test]
async fn a_damaged_database_is_told_at_the_start() {
    let bench = Bench::new();
    for n in 0..20 {
        bench.create(&format!("run{n}")).await;
    }
    bench.writer.clone().close().await;
    drop(bench.reader);
    let path = store::file(bench.dir.path());
    let sound = std::fs::read(&path).expect("readable");

    let mut torn = sound.clone();
    torn[4096 * 3..4096 * 12].fill(0xa5);
    std::fs::write(&path, torn).expect("writes");
    let error = refused(bench.dir.path());
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(".recover"), "{error}");

    std::fs::write(&path, &sound[..sound.len() / 2]).expect("writes");
    assert!(matches!(
        refused(bench.dir.path()),
        StoreError::Damaged { .. }
    ));

    std::fs::write(
        &path,
        "not a database at all, but long enough to be looked at",
    )
    .expect("writes");
    assert!(matches!(
        refused(bench.dir.path()),
        StoreError::Damaged { .. }
    ));
}

/// A data directory as a killed daemon leaves it, in a place of its own: what was stored is in the log.
async fn left_by_a_killed_daemon() -> tempfile::TempDir {
    let (bench, left) = (Bench::new(), tempfile::tempdir().expect("a directory"));
    bench.create("a").await;
    for side in ["", "-wal", "-shm"] {
        let name = format!("{}{side}", store::FILE_NAME);
        std::fs::copy(bench.dir.path().join(&name), left.path().join(&name)).expect("copies");
    }
    std::fs::create_dir_all(left.path().join("runs/run-a/steps")).expect("a directory");
    left
}

#[tokio::test]
async fn a_database_that_lost_its_runs_is_not_begun_anew() {
    let names = ["", "-wal", "-shm"].map(|side| format!("{}{side}", store::FILE_NAME));
    let [database, log, index] = &names;
    // What goes, what is emptied, and what is said then.
    let losses: [(&[&String], Option<&String>, &str, &str); 6] = [
        (&[database], None, "it is missing", log),
        (&[database, log], None, "it is missing", index),
        (&[database, log, index], None, "it is missing", "runs/run-a"),
        (&[], Some(database), "it is empty", log),
        (&[log, index], Some(database), "it is empty", "runs/run-a"),
        (&[log, index], None, "it holds no run", "runs/run-a"),
    ];
    for (gone, emptied, state, trace) in losses {
        let left = left_by_a_killed_daemon().await;
        let path = |name: &str| left.path().join(name);
        for name in gone {
            std::fs::remove_file(path(name)).expect("removes");
        }
        if let Some(name) = emptied {
            std::fs::write(path(name), "").expect("empties");
        }
        let listed = || {
            let entries = std::fs::read_dir(left.path()).expect("readable");
            let entry = |it: std::io::Result<std::fs::DirEntry>| {
                let it = it.expect("an entry");
                (it.file_name(), it.metadata().expect("there").len())
            };
            entries
                .map(entry)
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let before = listed();
        let looked = store::open_reading(left.path(), Options::default()).map(|_| ());
        for error in [refused(left.path()), looked.expect_err("it opened")] {
            assert!(matches!(error, StoreError::Lost { .. }), "{error}");
            let said = error.to_string();
            let trace = path(trace).display().to_string();
            for part in [state, &trace, "from a copy", "move what is in"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
        let after = listed();
        let same = |(name, bytes)| after.get(name) == Some(bytes);
        assert!(before.iter().all(same), "{before:?}: {after:?}");
    }
    let left = left_by_a_killed_daemon().await;
    let (_, reader) = store::open(left.path(), Options::default()).expect("nothing is lost");
    let run = reader.run(&RunId("a".to_owned())).await.expect("readable");
    assert!(run.is_some());
}

#[tokio::test]
async fn a_directory_without_traces_of_runs_is_begun_in() {
    let dir = tempfile::tempdir().expect("a directory");
    // As a daemon leaves it that died before the first run: even the file may be there.
    std::fs::create_dir_all(dir.path().join("runs/run-a")).expect("a directory");
    std::fs::write(store::file(dir.path()), "").expect("a file");
    assert!(store::open(dir.path(), Options::default()).is_ok());
}

#[tokio::test]
async fn after_an_orderly_end_the_file_alone_is_a_whole_copy() {
    let bench = Bench::new();
    bench.create("a").await;
    let before = bench.complete("a").await;
    // Those who read are still there when the daemon ends.
    bench.writer.clone().close().await;
    let copy = tempfile::tempdir().expect("a directory");
    std::fs::copy(store::file(bench.dir.path()), store::file(copy.path())).expect("copies");
    let (_, reader) = store::open(copy.path(), Options::default()).expect("opens");
    let run = reader.run(&before.id).await.expect("readable");
    assert_eq!(run, Some(before));
    assert_eq!(reader.replay().await.expect("replays"), []);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("file"), "").expect("writes");
    let error = refused(&dir.path().join("file/data"));
    assert!(matches!(error, StoreError::Open { .. }));
    assert!(error.to_string().contains("file/data"), "{error}");
}

/// The helper of the next test: holds the write lock until its standard input ends.
#[test]
#[ignore = "run by writers_of_another_process_are_waited_for_and_then_told"]
fn holds_the_lock() {
    let Ok(dir) = std::env::var("LOOPD_TEST_LOCKED_DIR") else {
        return;
    };
    let conn = raw(dir.as_ref());
    conn.execute_batch("BEGIN IMMEDIATE").expect("locks");
    println!("\nlocked");
    let _ = std::io::stdin().lock().read_line(&mut String::new());
    conn.execute_batch("ROLLBACK").expect("unlocks");
}

#[tokio::test]
async fn writers_of_another_process_are_waited_for_and_then_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        busy_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let (writer, reader) = store::open(dir.path(), options).expect("opens");
    let mut other = Command::new(std::env::current_exe().expect("a path"))
        .args([
            "--exact",
            "store::opening::holds_the_lock",
            "--ignored",
            "--nocapture",
        ])
        .env("LOOPD_TEST_LOCKED_DIR", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawns");
    let mut said = BufReader::new(other.stdout.take().expect("piped")).lines();
    assert!(
        said.any(|line| line.is_ok_and(|line| line == "locked")),
        "the other process has the lock"
    );

    let busy = writer.create(new_run("a")).await.expect_err("it wrote");
    assert!(
        matches!(busy, StoreError::Busy { .. }) && busy.is_transient(),
        "{busy}"
    );
    assert!(busy.to_string().contains("another process"), "{busy}");
    let id = RunId("a".to_owned());
    assert_eq!(
        reader
            .run(&id)
            .await
            .expect("readers do not wait for writers"),
        None
    );

    other
        .stdin
        .take()
        .expect("piped")
        .write_all(b"\n")
        .expect("writes");
    assert!(other.wait().expect("ends").success());
    let _ = writer.create(new_run("a")).await.expect("the lock is free");
}
