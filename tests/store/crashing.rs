//! Crashes at every commit: what was answered is there, what was not is there whole or not at all, and the run goes on.

use std::process::{Command, Output};

use agent_loop::core::run::RunId;
use agent_loop::core::time::Time;
use agent_loop::crash::{BadCrashPoint, Crash, CrashPoint, Death, Place};
use agent_loop::store::{self, Answer, Apply, Created, Expect, Options, StoreError};

use super::support::*;

/// Creates a run where there is none and takes it as far as it gets. Every commit is one move. Sends each event with
/// the revision that it was made for, as the engine does, so that a repeat is harmless.
async fn go_on(dir: &std::path::Path, crash: Option<CrashPoint>) -> Result<u64, StoreError> {
    let (writer, reader) = store::open(
        dir,
        Options {
            crash: crash.map_or_else(Crash::default, Crash::at),
            ..Options::default()
        },
    )?;
    let id = RunId("a".to_owned());
    let mut commits = 0;
    loop {
        let event = match reader.run(&id).await? {
            None => {
                let Created::New(..) = writer.create(new_run("a")).await? else {
                    panic!("it was there")
                };
                commits += 1;
                continue;
            }
            Some(run) => on_the_way(&run).map(|event| (run, event)),
        };
        let Some((run, event)) = event else {
            writer.close().await;
            return Ok(commits);
        };
        let mut apply = Apply::new(id.clone(), event, Time(2_000));
        apply.expect = Some(Expect {
            rev: run.rev,
            epoch: run.epoch,
        });
        let applied = writer.apply(apply).await?;
        assert!(
            matches!(applied.answer, Answer::Moved(_)),
            "{:?}",
            applied.answer
        );
        commits += 1;
    }
}

fn everything_in(dir: &std::path::Path) -> Vec<String> {
    everything(&raw(dir))
}

#[tokio::test]
async fn after_a_crash_at_any_commit_the_run_goes_on_to_the_very_same_end() {
    let whole = tempfile::tempdir().expect("a directory");
    let commits = go_on(whole.path(), None).await.expect("completes");
    assert_eq!(
        commits, 7,
        "created, claimed, worktree, agent, checks, judged, merged"
    );
    for place in [Place::Before, Place::After] {
        for commit in 1..=commits {
            let dir = tempfile::tempdir().expect("a directory");
            let crash = CrashPoint {
                place,
                name: None,
                nth: commit,
                death: Death::Quit,
            };
            let gone = go_on(dir.path(), Some(crash.clone())).await;
            assert!(
                matches!(gone, Err(StoreError::Gone)),
                "{crash}: the crash happened"
            );
            let stored = if place == Place::Before {
                commit - 1
            } else {
                commit
            };
            let revs =
                raw(dir.path()).query_row("SELECT coalesce(max(rev), 0) FROM runs", [], |row| {
                    row.get::<_, u32>(0)
                });
            assert_eq!(u64::from(revs.expect("readable")), stored, "{crash}");
            assert_eq!(
                go_on(dir.path(), None).await.expect("completes"),
                commits - stored,
                "{crash}"
            );
            assert_eq!(
                everything_in(dir.path()),
                everything_in(whole.path()),
                "{crash}"
            );
        }
    }
}

/// The helper of the next test: a process that goes on until its crash point.
#[tokio::test]
#[ignore = "run by an_aborted_process_leaves_whole_commits_behind"]
async fn crashes() {
    let (Ok(dir), Ok(at)) = (
        std::env::var("LOOPD_TEST_CRASH_DIR"),
        std::env::var("LOOPD_TEST_CRASH_AT"),
    ) else {
        return;
    };
    let crash = at.parse().expect("a crash point");
    go_on(dir.as_ref(), Some(crash))
        .await
        .expect("never gets here");
}

fn crash_in_a_process(dir: &std::path::Path, at: &str) -> Output {
    Command::new(std::env::current_exe().expect("a path"))
        .args([
            "--exact",
            "store::crashing::crashes",
            "--ignored",
            "--nocapture",
        ])
        .env("LOOPD_TEST_CRASH_DIR", dir)
        .env("LOOPD_TEST_CRASH_AT", at)
        .output()
        .expect("runs")
}

#[tokio::test]
async fn an_aborted_process_leaves_whole_commits_behind() {
    use std::os::unix::process::ExitStatusExt as _;
    for (at, stored) in [("before:3", 2), ("after:3", 3)] {
        let dir = tempfile::tempdir().expect("a directory");
        let output = crash_in_a_process(dir.path(), at);
        assert_eq!(output.status.signal(), Some(6), "{at}: aborted");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(&format!("loopd: crash point {at} reached (")),
            "{said}"
        );
        let (_, reader) = store::open(dir.path(), Options::default()).expect("opens");
        let run = reader
            .run(&RunId("a".to_owned()))
            .await
            .expect("readable")
            .expect("a run");
        assert_eq!(run.rev, stored, "{at}");
        assert_eq!(reader.replay().await.expect("replays"), []);
    }
}

#[test]
fn a_crash_point_is_read_strictly() {
    for (text, place, name, nth, death) in [
        ("before:1", Place::Before, None, 1, Death::Abort),
        ("after:12:kill", Place::After, None, 12, Death::Kill),
        (
            "acted=start_merge:2",
            Place::Acted,
            Some("start_merge"),
            2,
            Death::Abort,
        ),
    ] {
        let point: CrashPoint = text.parse().expect("a crash point");
        let name = name.map(str::to_owned);
        assert_eq!(
            point,
            CrashPoint {
                place,
                name,
                nth,
                death
            }
        );
        assert_eq!(point.to_string(), text);
    }
    for text in [
        "",
        "before",
        "before:",
        "before:0",
        "after:-1",
        "after:x",
        "during:1",
        "before:1:2",
        "before=:1",
        "kill",
        "before:kill",
    ] {
        assert_eq!(
            text.parse::<CrashPoint>(),
            Err(BadCrashPoint(text.to_owned()))
        );
    }
}
