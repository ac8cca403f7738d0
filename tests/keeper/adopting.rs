//! A keeper and the daemons that come and go; and keepers that come to harm themselves.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_loop::effect::keeper::{
    self, Ended, Found, Handle, Job, KeeperError, KeeperRecord, Stopped, reap_survivors,
};
use agent_loop::effect::proc;
use rustix::process::{Pid, Signal};

use super::step::{Bystander, EXE, Step, Succeeded as _, exited};

pub fn signal(handle: &Handle, signal: Signal) {
    let pid = handle.record().expect("it is on record").identity.pid;
    let pid = Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("it is ours");
}

pub fn forge(step: &Step, change: impl FnOnce(&mut KeeperRecord), pid: u32) {
    let identity = proc::stat(pid.cast_signed()).expect("it lives").identity;
    let mut record = KeeperRecord {
        identity,
        boot_id: proc::boot_id().expect("/proc"),
        version: "0".into(),
        marker: step.job.marker.clone(),
        grace_ms: 100,
        confinement: None,
    };
    change(&mut record);
    let json = serde_json::to_vec(&record).expect("json");
    std::fs::write(step.dir().join("keeper.json"), json).expect("a record");
}

/// Not a test of its own: the process that is killed in the next one.
#[tokio::test]
#[ignore = "played by another test"]
async fn plays_the_daemon() {
    let Some(dir) = std::env::var_os("KEEPER_TEST_DIR").map(PathBuf::from) else {
        return;
    };
    let job = std::fs::read(dir.join("job-to-be.json")).expect("the job");
    let job: Job = serde_json::from_slice(&job).expect("a job");
    keeper::start(&dir, &job, EXE.as_ref())
        .await
        .expect("it starts");
    println!("\nstarted");
    std::future::pending().await
}

#[tokio::test]
async fn a_keeper_outlives_its_daemon_and_is_adopted() {
    let step = Step::of(&["echo one; read x <gate; echo two; exit 6"]);
    let _gate = step.gate("gate");
    let json = serde_json::to_vec(&step.job).expect("json");
    std::fs::write(step.dir().join("job-to-be.json"), json).expect("the job");
    let mut daemon = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "keeper::adopting::plays_the_daemon",
            "--ignored",
            "--nocapture",
        ])
        .env("KEEPER_TEST_DIR", step.dir())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a daemon");
    let said = BufReader::new(daemon.stdout.take().expect("its output"));
    assert!(
        said.lines()
            .any(|line| line.is_ok_and(|line| line == "started"))
    );
    daemon.kill().expect("it is killed");
    daemon.wait().expect("it is gone");

    let Found::Alive(handle) = keeper::find(step.dir()).expect("readable") else {
        panic!("the keeper lives")
    };
    std::fs::write(step.dir().join("gate"), "go\n").expect("the pipe");
    let exit = exited(handle.wait().await.expect("it ends"));
    assert_eq!(exit.commands[0].exit_code, Some(6));
    assert_eq!(step.output(0), "one\ntwo\n");
    let Found::Exited(again) = keeper::find(step.dir()).expect("readable") else {
        panic!("it has ended")
    };
    assert_eq!(exit, again);
}

#[tokio::test]
async fn a_step_is_run_once_however_often_it_is_started() {
    let step = Step::of(&["echo ran >>count; read x <gate"]);
    let _gate = step.gate("gate");
    let (one, two) = tokio::join!(step.start(), step.start());
    let three = step.start().await;
    assert_eq!(one.record(), two.record());
    assert_eq!(one.record(), three.record());
    assert!(!step.dir().join("job.json").exists());
    std::fs::write(step.dir().join("gate"), "go\n").expect("the pipe");
    let (one, two) = tokio::join!(one.wait(), two.wait());
    assert_eq!(exited(one.expect("it ends")), exited(two.expect("it ends")));
    assert!(step.run().await.succeeded());
    let count = std::fs::read_to_string(step.dir().join("count")).expect("a file");
    assert_eq!(count, "ran\n");
}

#[tokio::test]
async fn a_stop_after_the_end_or_twice_is_harmless() {
    let step = Step::of(&["exec sleep 1000"]);
    let handle = step.start().await;
    let (one, two) = tokio::join!(handle.stop(), handle.stop());
    let one = exited(one.expect("it stops"));
    assert_eq!(one.commands[0].stopped, Some(Stopped::Canceled));
    assert_eq!(one, exited(two.expect("it stops")));
    assert_eq!(one, exited(handle.stop().await.expect("it has stopped")));
}

#[tokio::test]
async fn whatever_asks_a_keeper_to_end_ends_its_step_in_good_order() {
    for asks in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        let step = Step::of(&["echo >gate; exec sleep 1000", "echo never"]);
        let gate = step.gate("gate");
        let handle = step.start().await;
        gate.passed().await;
        signal(&handle, asks);
        let exit = exited(handle.wait().await.expect("it ends"));
        assert!(exit.canceled && exit.commands.len() == 1, "{exit:?}");
        assert_eq!(step.marked(), [""; 0]);
    }
}

#[tokio::test]
async fn a_keeper_that_was_killed_is_lost_and_its_tree_is_reaped() {
    let mut step = Step::of(&[
        "(setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' &); echo >gate; sleep 1000",
    ]);
    step.job.grace_ms = 300;
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    // One letter more is another step.
    let other = format!("{}1", step.job.marker);
    let mut bystander = Bystander::carrying(&other);
    signal(&handle, Signal::KILL);
    assert!(matches!(handle.wait().await, Ok(Ended::Lost)));
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Lost)));
    assert!(!step.marked().is_empty());

    let reaped = reap_survivors(step.dir(), &step.job.marker)
        .await
        .expect("it is reaped");
    assert!(reaped.ended >= 2, "{reaped:?}");
    assert_eq!(step.marked(), [""; 0]);
    assert!(bystander.lives());
    // Lost is lost: the directory is not run again, and there is nothing more to reap.
    assert!(matches!(step.start().await.wait().await, Ok(Ended::Lost)));
    let none = reap_survivors(step.dir(), &step.job.marker)
        .await
        .expect("fine");
    assert_eq!(none.ended, 0);
}

#[tokio::test]
async fn what_a_dead_keeper_left_is_asked_to_end_before_it_is_killed() {
    let step = Step::of(&[
        "exec >/dev/null 2>&1; trap 'echo asked >asked; exit' TERM; echo >gate; while :; do sleep 1; done",
    ]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    signal(&handle, Signal::KILL);
    assert!(matches!(handle.wait().await, Ok(Ended::Lost)));
    let reaped = reap_survivors(step.dir(), &step.job.marker).await;
    assert!(reaped.expect("it is reaped").ended >= 1);
    assert_eq!(step.marked(), [""; 0]);
    assert!(step.dir().join("asked").exists());
}

#[tokio::test]
async fn the_session_of_a_dead_keeper_is_reaped_without_a_marker() {
    let step = Step::of(&["(env -i sh -c 'echo $$ >gate; exec sleep 1000' &); exec sleep 1000"]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    let pid: i32 = gate.passed().await.parse().expect("a pid");
    let clean = proc::stat(pid).expect("it lives").identity;
    signal(&handle, Signal::KILL);
    assert!(matches!(handle.wait().await, Ok(Ended::Lost)));
    let _ = reap_survivors(step.dir(), &step.job.marker)
        .await
        .expect("it is reaped");
    assert!(proc::open(clean).expect("readable").is_none());
}

#[tokio::test]
async fn a_keeper_that_hangs_is_ended_with_its_tree() {
    let mut step = Step::of(&["echo >gate; exec sleep 1000"]);
    step.job.grace_ms = 300;
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    signal(&handle, Signal::STOP);
    let ended = handle.stop_within(Duration::from_millis(100)).await;
    assert!(matches!(ended, Ok(Ended::Lost)), "{ended:?}");
    assert_eq!(step.marked(), [""; 0]);
}

#[tokio::test]
async fn a_pid_that_was_given_away_again_is_a_stranger() {
    let step = Step::of(&["true"]);
    assert!(matches!(keeper::find(step.dir()), Ok(Found::NotStarted)));
    let mut stranger = Bystander::carrying("SOMEBODY=else");
    forge(&step, |_| {}, stranger.pid());
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Alive(_))));
    forge(&step, |r| r.identity.start_time -= 1, stranger.pid());
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Lost)));
    let reaped = reap_survivors(step.dir(), &step.job.marker)
        .await
        .expect("fine");
    assert_eq!(reaped.ended, 0);
    forge(&step, |r| r.boot_id = "another".into(), stranger.pid());
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Lost)));
    forge(&step, |r| r.identity.pid = -1, stranger.pid());
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Lost)));
    assert!(stranger.lives());
}

#[tokio::test]
async fn a_record_of_another_shape_is_an_error_that_names_the_file() {
    let step = Step::of(&["true"]);
    std::fs::write(step.dir().join("keeper.json"), "{").expect("a file");
    let error = keeper::find(step.dir()).expect_err("no guess is made");
    assert!(matches!(error, KeeperError::Shape { .. }));
    assert!(error.to_string().contains("keeper.json"), "{error}");
}

#[tokio::test]
async fn a_second_step_in_one_worktree_is_refused_and_may_be_tried_again() {
    let mut first = Step::of(&["exec sleep 1000"]);
    let lock = first.dir().join("worktree.lock");
    first.job.worktree_lock = Some(lock.clone().into());
    let mut second = Step::of(&["echo ran"]);
    second.job.worktree_lock = Some(lock.into());
    let handle = first.start().await;
    let refused = second.run().await;
    let why = refused.refused.as_deref().unwrap_or_default();
    assert!(why.starts_with("worktree busy: "), "{refused:?}");
    assert!(refused.commands.is_empty() && !refused.succeeded());
    exited(handle.stop().await.expect("it stops"));
    let exit = second.run().await;
    assert!(exit.succeeded(), "{exit:?}");
    assert_eq!(second.output(0), "ran\n");
}
