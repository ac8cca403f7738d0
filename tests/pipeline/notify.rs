//! `notify`: a person is told by a command of what needs one; of nothing else, and not for ever. What becomes of a call when
//! a daemon or a keeper dies: `notify_lives`.

use std::time::Duration;

use agent_loop::core::run::{Event, State};
use agent_loop::daemon::Notify;
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{House, Options, Repository, Turnstile, eventually, processes_of};

/// An agent that crashes: the run fails.
pub(super) const CRASH: &str = "[[turn]]\nsteps = [{ exit = 7 }]\n";
/// An agent that finds the task blocked: the run is held.
pub(super) const BLOCKED: &str = "[[turn]]\nsteps = [{ sh = \"sed -i 's/\\\\[ \\\\]/[~]/' specs/planning/thing-plan.md && git commit -qam blocked\" }]\n";

fn options(notify: Option<Notify>) -> Options {
    Options {
        notify,
        environment: vec![
            ("LOOPD_TOKEN", "secret".to_owned()),
            ("OTHER", "x".to_owned()),
        ],
        ..Options::caps(3, 3)
    }
}

/// A command that appends what it is given to a file.
pub(super) fn keeping(log: &std::path::Path) -> Notify {
    Notify::new(format!("cat >> '{}'", log.display()))
}

pub(super) async fn house(repo: &Repository, notify: Option<Notify>) -> House {
    House::open(&repo.outside().join("data"), &options(notify)).await
}

/// What was kept by the command so far.
pub(super) fn kept(log: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("a line is JSON")).collect()
}

/// Waits until so many calls are over: nothing of them is left on the disk.
pub(super) async fn over(house: &House, calls: u64) {
    let dir = house.data.join("notify");
    eventually(async || {
        let left = std::fs::read_dir(&dir).expect("a directory").flatten();
        let busy = left.filter(|entry| entry.path().is_dir()).count();
        (house.metrics.notifications.get() == calls && busy == 0).then_some(())
    })
    .await;
}

pub(super) fn retries(settings: Value) -> Value {
    let mut all = json!({ "agent_retries": 0, "reviewer": false });
    let (Some(all), Some(more)) = (all.as_object_mut(), settings.as_object()) else {
        panic!("settings are an object");
    };
    all.extend(more.clone());
    json!(all)
}

#[tokio::test]
async fn a_person_is_told_of_what_needs_one_and_of_nothing_else() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let house = self::house(&repo, Some(keeping(&log))).await;
    let merged = house.create(&repo, None, retries(json!({}))).await;
    house.rests(&merged, State::Completed).await;
    let left = json!({ "merge_strategy": "none" });
    let left = house.create(&repo, None, retries(left)).await;
    house.rests(&left, State::Completed).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.turn();
    let paused = house.create(&repo, Some(&script), retries(json!({}))).await;
    stile.somebody().await;
    let _ = house.operate(&paused, Event::Pause).await;
    let _ = house.operate(&paused, Event::Cancel).await;
    let held = house.create(&repo, Some(BLOCKED), retries(json!({}))).await;
    let message = house.held(&held, "plan_blocked").await;
    let failed = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&failed, "agent_failed").await;
    over(&house, 3).await;

    let told = kept(&log);
    let said: Vec<(&str, &str)> = told
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default();
            (text("type"), text("run_id"))
        })
        .collect();
    assert_eq!(
        said,
        [
            ("RUN_COMPLETED", left.0.as_str()),
            ("RUN_PAUSED", &held.0),
            ("RUN_FAILED", &failed.0),
        ]
    );
    assert_eq!(told[1]["payload"]["hold"]["message"], json!(message));
    assert_eq!(told[1]["run_name"], "thing");
    assert_eq!(told[1]["workspace_root"], json!(repo.root));
    let event = &house.events(&held).await;
    let event = event.iter().find(|it| it.kind == "RUN_PAUSED");
    assert_eq!(told[1]["seq"], json!(event.expect("it is stored").seq));
    assert_eq!(house.metrics.notifications_failed.get(), 0);
}

#[tokio::test]
async fn a_command_that_fails_hangs_or_leaves_processes_behind_harms_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    // The first call says something and fails; the second hangs, with a child in a session of its own.
    let command = format!(
        "cat >> '{0}'; if [ -e '{0}.once' ]; then setsid sleep 1000 & sleep 1000; fi; : > '{0}.once'; env > '{0}.env'; exit 3",
        log.display()
    );
    let notify = Notify {
        timeout: Duration::from_millis(1500),
        ..Notify::new(command)
    };
    let house = self::house(&repo, Some(notify)).await;
    for calls in [1, 2] {
        let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
        house.failed(&id, "agent_failed").await;
        over(&house, calls).await;
        let left = processes_of(&id);
        assert!(left.is_empty(), "{left:?}");
    }
    assert_eq!(house.metrics.notifications_failed.get(), 2);
    assert_eq!(kept(&log).len(), 2);
    let env = std::fs::read_to_string(repo.outside().join("told.env")).expect("it was written");
    assert!(env.contains("\nPATH=") || env.starts_with("PATH="), "{env}");
    assert!(!env.contains("secret") && !env.contains("OTHER"), "{env}");

    let id = house.create(&repo, None, retries(json!({}))).await;
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_has_failed_whatever_it_exits_with() {
    let repo = Repository::with_plan(ONE_TASK);
    let asked = repo.outside().join("asked");
    // It ends as if all were well, when it is asked to.
    let command = format!(
        "trap ': > \"{}\"; exit 0' TERM; sleep 1000 & wait",
        asked.display()
    );
    let notify = Notify {
        timeout: Duration::from_millis(1500),
        ..Notify::new(command)
    };
    let house = self::house(&repo, Some(notify)).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    over(&house, 1).await;
    assert!(asked.exists(), "it did not end by itself");
    assert_eq!(house.metrics.notifications_failed.get(), 1);
}

#[tokio::test]
async fn only_so_many_are_told_at_once_and_all_of_them_are() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let mut stile = Turnstile::new(repo.outside(), "notify");
    let notify = Notify {
        at_once: 2,
        ..Notify::new(format!("{}; cat >> '{}'", stile.sh(), log.display()))
    };
    let house = self::house(&repo, Some(notify)).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(house.create(&repo, Some(CRASH), retries(json!({}))).await);
    }
    for id in &ids {
        house.failed(id, "agent_failed").await;
    }
    // Whoever was told first goes through; then at most two stand there at a time.
    let mut told = 0;
    while told < 4 {
        stile.somebody().await;
        let calls = std::fs::read_dir(house.data.join("notify")).expect("a directory");
        let calls = calls.flatten().filter(|entry| entry.path().is_dir());
        assert!(calls.count() <= 2, "more than two at once");
        stile.open();
        told += 1;
    }
    over(&house, 4).await;
    let mut seen: Vec<String> = kept(&log)
        .iter()
        .map(|it| it["run_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    seen.sort();
    let mut wanted: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
    wanted.sort();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn calls_of_two_daemons_leave_each_other_alone() {
    let (one, other) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let logs = [&one, &other].map(|repo| repo.outside().join("told"));
    let mut stile = Turnstile::new(one.outside(), "notify");
    let waits = format!("{}; cat >> '{}'", stile.sh(), logs[0].display());
    let first = self::house(&one, Some(Notify::new(waits))).await;
    let second = self::house(&other, Some(keeping(&logs[1]))).await;
    for (house, repo) in [(&first, &one), (&second, &other)] {
        let id = house.create(repo, Some(CRASH), retries(json!({}))).await;
        house.failed(&id, "agent_failed").await;
        if std::ptr::eq(house, &raw const first) {
            stile.somebody().await;
        }
    }
    over(&second, 1).await;
    stile.open();
    over(&first, 1).await;
    let [seen, same] = logs.map(|log| kept(&log)[0]["seq"].clone());
    assert_eq!(seen, same, "both calls have the same number");
    assert_eq!(first.metrics.notifications_failed.get(), 0);
}

#[tokio::test]
async fn a_call_works_in_the_data_directory_and_knows_the_persons_screen() {
    let repo = Repository::with_plan(ONE_TASK);
    let log = repo.outside().join("told");
    let command = format!(
        "cat >/dev/null; echo \"$DISPLAY $PWD\" > '{}'",
        log.display()
    );
    let data = repo.outside().join("data");
    let mut options = options(Some(Notify::new(command)));
    options.environment.push(("DISPLAY", ":7".to_owned()));
    let house = House::open(&data, &options).await;
    let id = house.create(&repo, Some(CRASH), retries(json!({}))).await;
    house.failed(&id, "agent_failed").await;
    over(&house, 1).await;
    let said = std::fs::read_to_string(&log).expect("it was called");
    assert_eq!(said.trim(), format!(":7 {}", house.data.display()));
}
