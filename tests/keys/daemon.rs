//! What the keys of the daemon change, by the real `loopd` and its configuration file.

use agent_loop::api;
use agent_loop::core::machine::Kind;
use agent_loop::core::run::{RunId, State};
use agent_loop::store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::loopd::Loopd;
use crate::support::{Disk, Repository, Turnstile, eventually, processes_of};

const PLAN: &str = "# Plan\n\n- [ ] first thing\n";
/// An agent that does its work.
const WORK: &str =
    "[[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Do it\" }, \"complete\"]\n";

/// An agent that waits before it does its work.
fn waits(stile: &Turnstile) -> String {
    WORK.replace(
        "[{ tick",
        &format!("[{{ sh = \"{}\" }}, {{ tick", stile.sh()),
    )
}

#[tokio::test]
async fn so_many_runs_are_active_at_once() {
    let (one, other) = (Repository::with_plan(PLAN), Repository::with_plan(PLAN));
    let mut stile = Turnstile::new(one.outside(), "agent");
    let loopd = Loopd::with(&one, "daemon", "max_concurrent_runs = 1\n").await;
    let first = loopd.run(&one, &waits(&stile), "").await;
    stile.somebody().await;
    let second = loopd.run(&other, WORK, "").await;
    assert_eq!(loopd.gates(&second).await, ["global_cap"]);
    stile.open();
    for id in [&first, &second] {
        loopd.wait(id, |run| run.state == State::Completed).await;
    }
    loopd.end().await;
}

#[tokio::test]
async fn so_many_runs_are_active_in_one_repository() {
    let repo = Repository::with_plan(PLAN);
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let config = "max_runs_per_workspace = 2\n";
    let loopd = Loopd::with(&repo, "daemon", config).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(loopd.run(&repo, &waits(&stile), "").await);
    }
    stile.somebody().await;
    stile.somebody().await;
    assert_eq!(loopd.gates(&ids[2]).await, ["workspace_cap"]);
    for _ in 0..3 {
        stile.open();
    }
    stile.somebody().await;
    for id in &ids {
        loopd.wait(id, |run| run.state == State::Completed).await;
    }
    loopd.end().await;
}

/// Which of two runs that wait for one slot is started first: the older, or the younger.
async fn first_of_two(repo: &Repository, name: &str, config: &str) -> &'static str {
    let mut stile = Turnstile::new(repo.outside(), name);
    let config = format!("max_concurrent_runs = 1\n{config}");
    let loopd = Loopd::with(repo, name, &config).await;
    let before = loopd.run(repo, &waits(&stile), "").await;
    stile.somebody().await;
    let older = loopd.run(repo, WORK, "").await;
    let younger = loopd.run(repo, WORK, "").await;
    stile.open();
    for id in [&before, &older, &younger] {
        loopd.wait(id, |run| run.state == State::Completed).await;
    }
    let events = loopd
        .reader
        .events(None, 0, 10_000)
        .await
        .expect("readable");
    let started = events.into_iter().filter(|it| it.kind == "RUN_STARTED");
    let started: Vec<RunId> = started.map(|it| it.run_id).collect();
    loopd.end().await;
    assert_eq!(started.len(), 3, "{started:?}");
    if started[1] == older {
        "older"
    } else {
        "younger"
    }
}

#[tokio::test]
async fn the_queue_is_served_in_the_order_that_is_configured() {
    let repo = Repository::with_plan(PLAN);
    for (name, config, first) in [
        ("fifo", "queue_policy = \"fifo\"", "older"),
        ("newest", "queue_policy = \"newest_first\"", "younger"),
        (
            "aging",
            "queue_policy = \"newest_first\"\naging_starts = 0",
            "older",
        ),
    ] {
        assert_eq!(first_of_two(&repo, name, config).await, first, "{config}");
    }
}

#[tokio::test]
async fn nothing_starts_while_the_disk_has_less_room_than_wanted() {
    let repo = Repository::with_plan(PLAN);
    let config = "min_free_disk_mb = 1000000000\n";
    let loopd = Loopd::with(&repo, "full", config).await;
    let id = loopd.run(&repo, WORK, "").await;
    assert_eq!(loopd.gates(&id).await, ["low_disk"]);
    loopd.end().await;
    let loopd = Loopd::with(&repo, "never-mind", "min_free_disk_mb = 0\n").await;
    let id = loopd.run(&repo, WORK, "").await;
    loopd.wait(&id, |run| run.state == State::Completed).await;
    loopd.end().await;
}

#[tokio::test]
async fn every_disk_that_a_run_writes_to_is_looked_at() {
    let repo = Repository::with_plan(PLAN);
    let Some(disk) = Disk::at(&repo.outside().join("files"), 8) else {
        return;
    };
    let config = format!("global_log_dir = {:?}\nmin_free_disk_mb = ", disk.0);
    let loopd = Loopd::with(&repo, "small", &format!("{config}16\n")).await;
    let id = loopd.run(&repo, WORK, "").await;
    assert_eq!(loopd.gates(&id).await, ["low_disk"]);
    loopd.end().await;
    let loopd = Loopd::with(&repo, "read-only", &format!("{config}1\n")).await;
    let mut mount = std::process::Command::new("mount");
    let remounted = mount.args(["-o", "remount,ro"]).arg(&disk.0).status();
    assert!(remounted.expect("mount runs").success());
    let id = loopd.run(&repo, WORK, "").await;
    assert_eq!(loopd.gates(&id).await, ["unwritable"]);
    loopd.end().await;
}

#[tokio::test]
async fn a_step_outlives_its_daemon_or_ends_with_it() {
    let repo = Repository::with_plan(PLAN);
    for (name, config, survives) in [
        ("keep", "shutdown = \"keep\"", true),
        ("stop", "shutdown = \"stop\"", false),
    ] {
        let mut stile = Turnstile::new(repo.outside(), name);
        let loopd = Loopd::with(&repo, name, config).await;
        let id = loopd.run(&repo, &waits(&stile), "stop_grace_sec = 1").await;
        stile.somebody().await;
        loopd.end().await;
        assert_eq!(!processes_of(&id).is_empty(), survives, "{config}");
        // Whoever still waits is let through, and ends.
        stile.open();
        eventually(async || processes_of(&id).is_empty().then_some(())).await;
    }
}

/// The status of an answer to a request for the health that comes from this host.
async fn status(loopd: &Loopd, host: &str) -> String {
    let place = loopd.address.strip_prefix("http://").expect("TCP");
    let mut stream = TcpStream::connect(place).await.expect("it listens");
    let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_host_is_answered_where_it_is_allowed() {
    let repo = Repository::with_plan(PLAN);
    let loopd = Loopd::with(&repo, "closed", "").await;
    assert_eq!(status(&loopd, "build.example").await, "403");
    loopd.end().await;
    let config = "allowed_hosts = [\"build.example\"]\n";
    let loopd = Loopd::with(&repo, "open", config).await;
    assert_eq!(status(&loopd, "build.example").await, "200");
    assert_eq!(status(&loopd, "other.example").await, "403");
    loopd.end().await;
}

#[tokio::test]
async fn files_of_runs_and_news_for_a_person_go_where_they_are_wanted() {
    let repo = Repository::with_plan(PLAN);
    let (logs, news) = (repo.outside().join("logs"), repo.outside().join("news"));
    let config = format!(
        "global_log_dir = {:?}\nnotify = \"cat >> '{}'\"\n",
        logs.display().to_string(),
        news.display()
    );
    let loopd = Loopd::with(&repo, "daemon", &config).await;
    let crash = "[[turn]]\nsteps = [{ exit = 7 }]\n";
    let id = loopd.run(&repo, crash, "agent_retries = 0").await;
    loopd.wait(&id, |run| run.state.kind() == Kind::Ended).await;
    let summary = logs.join(format!("runs/run-{id}/summary.json"));
    eventually(async || summary.is_file().then_some(())).await;
    let told = async || {
        let text = std::fs::read_to_string(&news).unwrap_or_default();
        text.ends_with('\n').then_some(text)
    };
    let told = eventually(told).await;
    assert!(
        told.contains("RUN_FAILED") && told.contains(&id.0),
        "{told}"
    );
    let own = repo.outside().join("daemon/data/runs");
    assert!(!own.exists(), "nothing of it is with the data");
    loopd.end().await;
}

#[tokio::test]
async fn an_agent_that_names_a_time_means_that_of_the_machine() {
    let repo = Repository::with_plan(PLAN);
    // Half an hour apart from UTC and every whole hour of it.
    let zone = [("TZ", "XYZ-5:30")];
    let loopd = Loopd::with_environment(&repo, "daemon", "", &zone).await;
    let agent = repo.program(
        "agent.sh",
        "#!/bin/sh\necho 'error: You have hit your limit. Try again at 3:00 PM.' >&2\nexit 1\n",
    );
    let config = format!(
        "agent = \"mine\"\n[agents.mine]\ncommand = {:?}\n",
        agent.display().to_string()
    );
    let config = repo.beside("run.toml", &config).display().to_string();
    let args = ["-q", "run", "specs/thing.md", "--config", &config];
    let made = loopd.ctl(&repo.root, &args).await;
    assert!(made.status.success(), "{made:?}");
    let id = RunId(String::from_utf8_lossy(&made.stdout).trim().to_owned());
    let limited = eventually(async || {
        let events = loopd.reader.events(Some(&id), 0, 1000).await;
        let mut events = events.expect("readable").into_iter();
        events.find(|it| it.kind == "AGENT_LIMITED")
    })
    .await;
    let resets = limited.payload["resets_at"].as_i64().expect("a time");
    // With a little more than was said.
    let minute = resets / 60_000 % 60;
    assert!((30..40).contains(&minute), "{}", limited.payload);
    loopd.end().await;
}

#[tokio::test]
async fn what_is_left_of_a_run_goes_by_itself_when_its_time_is_over() {
    let repo = Repository::with_plan(PLAN);
    let loopd = Loopd::with(&repo, "daemon", "retention_days = 1\n").await;
    let id = loopd.run(&repo, WORK, "").await;
    loopd.wait(&id, |run| run.state == State::Completed).await;
    eventually(async || {
        let pending = loopd.reader.pending_effects().await.expect("readable");
        pending.is_empty().then_some(())
    })
    .await;
    loopd.end().await;
    let data = repo.outside().join("daemon/data");
    let files = data.join(format!("runs/run-{id}"));
    assert!(files.join("summary.json").is_file());
    let raw = rusqlite::Connection::open(store::file(&data)).expect("opens");
    raw.execute_batch(
        "DROP TRIGGER run_update; DROP TRIGGER runs_change_with_rev;
         UPDATE runs SET ended_at = 1, facts = json_set(facts, '$.ended_at', 1)",
    )
    .expect("it has been over for years");
    drop(raw);
    let loopd = Loopd::with(&repo, "daemon", "retention_days = 1\n").await;
    loopd.wait(&id, |run| run.facts.nothing_left).await;
    assert!(!files.exists());
    loopd.end().await;
}

#[tokio::test]
async fn a_daemon_asks_for_the_open_files_that_its_clients_need_and_gives_its_steps_what_it_got() {
    let repo = Repository::with_plan(PLAN);
    let few = "ulimit -Sn 300 && exec \"$0\" \"$@\"";
    let command = ["sh", "-c", few, env!("CARGO_BIN_EXE_loopd")];
    let loopd = Loopd::by(&command, &repo, "daemon", "", &[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", loopd.pid()));
    let limits = limits.expect("it works");
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"));
    let mut numbers = line.expect("a line").split_whitespace();
    let mut next = || match numbers.next().expect("a number") {
        "unlimited" => u64::MAX,
        number => number.parse().expect("a number"),
    };
    let (soft, hard) = (next(), next());
    assert_eq!(soft, api::wanted_descriptors().min(hard));
    let seen = repo.outside().join("seen");
    let looks = format!("[{{ sh = \"ulimit -Sn > '{}'\" }}, {{ tick", seen.display());
    let id = loopd.run(&repo, &WORK.replace("[{ tick", &looks), "").await;
    loopd.wait(&id, |run| run.state == State::Completed).await;
    assert_eq!(std::fs::read_to_string(&seen).expect("it looked"), "300\n");
    loopd.end().await;
}
