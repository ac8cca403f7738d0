//! Nothing of a step outlives it, however it hides; and what still works is left alone.

use agent_loop::effect::keeper::Stopped;

use super::step::{Bystander, Step, Succeeded as _, exited};
use crate::support::eventually;

#[tokio::test]
async fn a_stop_asks_first() {
    let step = Step::of(&[
        "trap 'echo asked; exit 4' TERM; echo >gate; while :; do sleep 1; done",
        "echo never",
    ]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    let exit = exited(handle.stop().await.expect("it stops"));
    assert!(exit.canceled);
    assert_eq!(exit.commands.len(), 1);
    assert_eq!(
        (exit.commands[0].exit_code, exit.commands[0].stopped),
        (Some(4), Some(Stopped::Canceled))
    );
    // The shell may remark on the `sleep` that was ended beside it.
    assert!(step.output(0).ends_with("asked\n"));
}

#[tokio::test]
async fn an_agent_that_ignores_the_question_is_killed_with_its_children() {
    let mut step =
        Step::of(&["trap '' TERM INT HUP; sleep 1000 & echo >gate; while :; do sleep 1000; done"]);
    step.job.grace_ms = 300;
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    assert!(step.marked().len() >= 2);
    let exit = exited(handle.stop().await.expect("it stops"));
    assert_eq!(
        (exit.commands[0].signal, exit.commands[0].stopped),
        (Some(9), Some(Stopped::Canceled))
    );
    assert!(exit.commands[0].duration_ms >= step.job.grace_ms);
    assert!(exit.canceled);
    assert_eq!(exit.left_behind, [""; 0], "it did not outlive its command");
    assert_eq!(step.marked(), [""; 0]);
}

#[tokio::test]
async fn a_stopped_process_is_ended_too() {
    let mut step = Step::of(&["echo $$ >gate; kill -STOP $$"]);
    step.job.grace_ms = 300;
    let gate = step.gate("gate");
    let handle = step.start().await;
    let pid = gate.passed().await;
    eventually(async || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
        stat.contains(") T ").then_some(())
    })
    .await;
    let exit = exited(handle.stop().await.expect("it stops"));
    assert_eq!(exit.commands[0].signal, Some(9));
}

#[tokio::test]
async fn a_daemon_of_the_agent_in_a_session_of_its_own_is_ended_and_reported() {
    let mut step = Step::of(&[
        "(setsid sh -c 'trap \"\" TERM; echo >gate; while :; do sleep 1000; done' >/dev/null 2>&1 &) & read x <gate; exit 0",
    ]);
    step.job.grace_ms = 300;
    let _gate = step.gate("gate");
    let exit = step.run().await;
    assert!(exit.succeeded(), "{exit:?}");
    assert!(
        exit.left_behind.iter().any(|p| p.starts_with("sh -c")),
        "{exit:?}"
    );
    assert_eq!(step.marked(), [""; 0]);
}

#[tokio::test]
async fn a_process_that_cleaned_its_environment_is_ended_as_a_descendant() {
    let step = Step::of(&[
        "(env -i setsid sh -c 'trap \"echo asked >asked; exit\" TERM; echo $$ >gate; while :; do sleep 1; done' &) ; exec sleep 1000",
    ]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    let pid: i32 = gate.passed().await.parse().expect("a pid");
    let hidden = agent_loop::effect::proc::stat(pid)
        .expect("it lives")
        .identity;
    exited(handle.stop().await.expect("it stops"));
    let now = agent_loop::effect::proc::stat(pid);
    assert!(now.is_err() || now.is_ok_and(|now| now.identity != hidden || !now.alive));
    assert!(step.dir().join("asked").exists(), "it was asked first");
}

#[tokio::test]
async fn a_marked_process_outside_the_tree_is_ended_too() {
    let step = Step::of(&["exec sleep 1000"]);
    let mut stranger = Bystander::carrying(&step.job.marker);
    let handle = step.start().await;
    exited(handle.stop().await.expect("it stops"));
    assert!(!stranger.lives());
}

#[tokio::test]
async fn what_follows_itself_from_process_to_process_is_caught() {
    let mut step = Step::of(&[
        "echo '[ $1 = 20000 ] && touch escaped && exit; sh ./hop $(($1 + 1)) &' >hop; sh ./hop 1",
    ]);
    step.job.grace_ms = 300;
    let exit = step.run().await;
    assert!(exit.succeeded(), "{exit:?}");
    assert!(!exit.left_behind.is_empty());
    assert!(!step.dir().join("escaped").exists());
    assert_eq!(step.marked(), [""; 0]);
}

#[tokio::test]
async fn many_processes_are_ended_with_few_descriptors() {
    let step = Step::of(&["for n in $(seq 400); do sleep 1000 & done; exit 0"]);
    let exit = step.run().await;
    assert_eq!(step.marked(), [""; 0]);
    assert!(!exit.left_behind.is_empty() && exit.left_behind.len() < 400);
}

#[tokio::test]
async fn silence_at_rest_is_idle() {
    let mut step = Step::of(&["exec sleep 1000"]);
    step.job.commands[0].idle_timeout_ms = Some(300);
    let record = step.run_one().await;
    assert_eq!(
        (record.stopped, record.signal),
        (Some(Stopped::Idle), Some(15))
    );
    assert!(record.duration_ms >= 300);
}

#[tokio::test]
async fn silence_at_work_is_not_idle_even_in_a_grandchild() {
    let mut step = Step::of(&["setsid sh -c 'while :; do :; done'"]);
    step.job.commands[0].idle_timeout_ms = Some(400);
    step.job.commands[0].timeout_ms = Some(2000);
    assert_eq!(step.run_one().await.stopped, Some(Stopped::TimedOut));
}

#[tokio::test]
async fn output_at_rest_is_not_idle() {
    let mut step = Step::of(&["while :; do echo .; sleep 0.1; done"]);
    step.job.commands[0].idle_timeout_ms = Some(1000);
    step.job.commands[0].timeout_ms = Some(3000);
    assert_eq!(step.run_one().await.stopped, Some(Stopped::TimedOut));
}

#[tokio::test]
async fn times_beyond_every_clock_are_no_panic() {
    let mut step = Step::of(&["sleep 1000 & true"]);
    step.job.commands[0].timeout_ms = Some(u64::MAX);
    step.job.commands[0].idle_timeout_ms = Some(u64::MAX);
    step.job.grace_ms = u64::MAX;
    assert!(step.run().await.succeeded());
}
