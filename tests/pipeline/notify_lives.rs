//! The command of `notify` beside the lives of runs, daemons and keepers: waited for, made again, told once.

use std::path::PathBuf;
use std::time::Duration;

use agent_loop::daemon::Notify;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::ONE_TASK;
use super::notify::{BLOCKED, CRASH, house, keeping, kept, over, retries};
use crate::support::{House, Repository, Turnstile, eventually, is_alive, processes_of};

#[tokio::test]
async fn a_call_that_is_under_way_is_none_of_the_steps_of_its_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let mut stile = Turnstile::new(repo.outside(), "notify");
    let notify = Notify::new(format!("{}; cat >> '{}'", stile.sh(), log.display()));
    let house = self::house(&repo, Some(notify)).await;
    let script = format!("then = \"default\"\n{BLOCKED}");
    let settings = retries(json!({ "merge_strategy": "squash" }));
    let id = house.create(&repo, Some(&script), settings).await;
    house.held(&id, "plan_blocked").await;
    stile.somebody().await;
    let before = house.steps(&id, "implementation").await.len();
    house.resume(&id).await;
    eventually(async || {
        let steps = house.steps(&id, "implementation").await;
        let next = steps.get(before)?.state.as_str();
        (next != "queued" && next != "in_progress").then_some(())
    })
    .await;
    let steps = house.steps(&id, "implementation").await;
    assert_eq!(steps[before].state.as_str(), "succeeded");
    assert_eq!(kept(&log).len(), 0, "it is under way");
    stile.open();
    eventually(async || (!kept(&log).is_empty()).then_some(())).await;
    assert_eq!(kept(&log)[0]["type"], "RUN_PAUSED");
}

/// The keeper of the one call that is under way.
fn keeper_of_a_call(house: &House) -> Option<(PathBuf, u32)> {
    let entries = std::fs::read_dir(house.data.join("notify")).ok()?.flatten();
    let dir = entries
        .map(|entry| entry.path())
        .find(|path| path.is_dir())?;
    let record = std::fs::read_to_string(dir.join("keeper.json")).ok()?;
    let record: Value = serde_json::from_str(&record).ok()?;
    let pid = u32::try_from(record["pid"].as_u64()?).ok()?;
    Some((dir, pid))
}

#[tokio::test]
async fn a_call_that_outlives_the_daemon_is_waited_for_and_one_that_was_killed_is_made_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let mut stile = Turnstile::new(repo.outside(), "notify");
    let notify = Notify::new(format!("{}; cat >> '{}'", stile.sh(), log.display()));
    let house = self::house(&repo, Some(notify.clone())).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    stile.somebody().await;
    house.die().await;

    // It goes on under its keeper; the next daemon finds it instead of calling again.
    let house = self::house(&repo, Some(notify.clone())).await;
    stile.open();
    over(&house, 1).await;
    assert_eq!(kept(&log).len(), 1);
    assert!(stile.is_empty(), "nobody else was called");

    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    stile.somebody().await;
    let (dir, keeper) = keeper_of_a_call(&house).expect("it is under way");
    house.die().await;
    kill(keeper).await;
    assert!(!dir.join("exit.json").exists(), "it died without a word");

    let house = self::house(&repo, Some(notify)).await;
    stile.somebody().await;
    stile.open();
    over(&house, 1).await;
    assert_eq!(kept(&log).len(), 2, "told once more, and of this one alone");
    assert_eq!(kept(&log)[1]["run_id"], json!(id.0));
    let left = processes_of(&id);
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn nothing_of_a_call_outlives_its_keeper_whoever_finds_it_lost() {
    let repo = Repository::with_plan(ONE_TASK);
    let pids = repo.outside().join("pids");
    // The first two calls hang, with a child in a session of its own.
    let command = format!(
        "[ $(wc -l < '{0}') -ge 4 ] && exit; setsid sleep 1000 & echo $! >> '{0}'; echo $$ >> '{0}'; exec sleep 1000",
        pids.display()
    );
    std::fs::write(&pids, "").expect("a file");
    let called = |calls: usize| {
        let pids = pids.clone();
        async move {
            eventually(async || {
                let text = std::fs::read_to_string(&pids).expect("pids");
                let pids: Vec<u32> = text.lines().filter_map(|it| it.parse().ok()).collect();
                (pids.len() == 2 * calls).then_some(pids)
            })
            .await
        }
    };
    let notify = Notify {
        timeout: Duration::from_secs(1000),
        ..Notify::new(command)
    };
    let house = self::house(&repo, Some(notify.clone())).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    called(1).await;
    let (_, keeper) = keeper_of_a_call(&house).expect("it is under way");
    house.die().await;
    kill(keeper).await;
    // Found lost by the next daemon, which calls again.
    let house = self::house(&repo, Some(notify)).await;
    let pids = called(2).await;
    assert!(!pids[..2].iter().any(|pid| is_alive(*pid)), "{pids:?}");
    // Lost while it is waited for: that is all, and a person is told nothing.
    let (_, keeper) = keeper_of_a_call(&house).expect("it is under way");
    kill(keeper).await;
    over(&house, 1).await;
    assert_eq!(house.metrics.notifications_failed.get(), 1);
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
}

async fn kill(keeper: u32) {
    let pid = Pid::from_raw(keeper.cast_signed()).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it is ours");
    eventually(async || (!is_alive(keeper)).then_some(())).await;
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_nothing_from_before_it_was_asked_to() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let fail = async |house: &House| {
        let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
        house.failed(&id, "agent_failed").await;
        id
    };
    let house = self::house(&repo, None).await;
    fail(&house).await;
    house.die().await;

    let house = self::house(&repo, Some(keeping(&log))).await;
    let second = fail(&house).await;
    over(&house, 1).await;
    assert_eq!(kept(&log)[0]["run_id"], json!(second.0));
    let last = house.reader.last_event().await.expect("a readable store");
    let event = kept(&log)[0]["seq"].as_u64().unwrap_or_default();
    eventually(async || noted(&house).filter(|noted| (event..=last).contains(noted))).await;
    house.die().await;

    // The first of the third daemon to be told of is what happens in it.
    let house = self::house(&repo, Some(keeping(&log))).await;
    let third = fail(&house).await;
    over(&house, 1).await;
    assert_eq!(kept(&log).len(), 2);
    assert_eq!(kept(&log)[1]["run_id"], json!(third.0));
    house.die().await;

    // While nobody is told, it is not kept for later.
    let house = self::house(&repo, None).await;
    fail(&house).await;
    house.die().await;
    let house = self::house(&repo, Some(keeping(&log))).await;
    let fifth = fail(&house).await;
    over(&house, 1).await;
    assert_eq!(kept(&log).len(), 3);
    assert_eq!(kept(&log)[2]["run_id"], json!(fifth.0));
}

#[tokio::test]
async fn a_database_that_was_put_back_to_an_earlier_time_mutes_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let house = self::house(&repo, Some(keeping(&log))).await;
    house.die().await;
    // What was noted is of a time that the database knows nothing of.
    std::fs::write(repo.outside().join("data/notify/told"), "1000000\n").expect("a file");
    let house = self::house(&repo, Some(keeping(&log))).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    over(&house, 1).await;
    assert_eq!(kept(&log)[0]["run_id"], json!(id.0));
}

#[tokio::test]
async fn a_command_that_says_too_much_fills_no_disk() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut stile = Turnstile::new(repo.outside(), "notify");
    let command = format!("head -c 30000000 /dev/zero; {}", stile.sh());
    let house = self::house(&repo, Some(Notify::new(command))).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    stile.somebody().await;
    let (dir, _) = keeper_of_a_call(&house).expect("it is under way");
    let kept = std::fs::metadata(dir.join("output")).expect("an output");
    assert!(kept.len() <= 64 * 1024, "{} bytes", kept.len());
    stile.open();
    over(&house, 1).await;
}

/// Up to which event people were told, as it is noted on the disk.
fn noted(house: &House) -> Option<u64> {
    let text = std::fs::read_to_string(house.data.join("notify/told")).ok()?;
    text.trim().parse().ok()
}
