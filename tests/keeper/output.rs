//! Output that is too much, too long, or held by the wrong process.

use agent_loop::effect::keeper::Stopped;

use agent_loop::effect::proc;
use rustix::process::Signal;

use super::adopting::signal;
use super::step::{Step, Succeeded as _, exited, grown};
use crate::support::{Disk, eventually};

const LINE: &str = "0123456789abcde\n";

#[tokio::test]
async fn a_flood_leaves_head_and_tail_and_a_mark_in_bounded_memory() {
    let flood = "yes 0123456789abcde | head -c 200000000";
    let step = Step::of(&[flood, "grep VmHWM /proc/$PPID/status"]);
    let exit = step.run().await;
    assert!(exit.succeeded(), "{exit:?}");
    let record = &exit.commands[0];
    assert_eq!(
        (record.output_bytes, record.output_lines),
        (200_000_000, 12_500_000)
    );
    assert!(record.truncated);
    let half = LINE.repeat((1 << 19) / LINE.len());
    let cut = 200_000_000 - (1 << 20);
    assert!(step.output(0) == format!("{half}\n[loopd: {cut} bytes cut here]\n{half}"));
    let peak = step.output(1);
    let peak_kib: u64 = peak
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect(&peak);
    assert!(peak_kib < 64 << 10, "{peak_kib} KiB");
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_like_any_other() {
    let mut step = Step::of(&["head -c 3000000 /dev/zero | tr '\\0' x; printf END"]);
    step.job.commands[0].max_output_bytes = 1000;
    let record = step.run_one().await;
    assert_eq!((record.output_bytes, record.output_lines), (3_000_003, 1));
    let (head, tail) = ("x".repeat(500), "x".repeat(497));
    let cut = 3_000_003 - 1000;
    assert_eq!(
        step.output(0),
        format!("{head}\n[loopd: {cut} bytes cut here]\n{tail}END")
    );
}

#[tokio::test]
async fn a_command_that_closes_its_output_works_on() {
    let step = Step::of(&["echo said; exec >&- 2>&-; seq 1 1000 | sort -n >work; exit 7"]);
    let record = step.run_one().await;
    assert_eq!((record.exit_code, record.stopped), (Some(7), None));
    assert_eq!(step.output(0), "said\n");
    let work = std::fs::read_to_string(step.dir().join("work")).expect("its work");
    assert_eq!(work.lines().count(), 1000);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_output_delays_nothing_and_is_ended() {
    let step = Step::of(&["sleep 1000 & echo done"]);
    let exit = step.run().await;
    assert!(exit.succeeded());
    assert_eq!(step.output(0), "done\n");
    assert!(exit.left_behind[0].starts_with("sleep"), "{exit:?}");
    assert_eq!(step.marked(), [""; 0]);
}

#[tokio::test]
async fn what_a_grandchild_says_on_its_way_out_is_kept() {
    let step = Step::of(&[
        "(trap 'echo bye; exit' TERM; echo up >gate; while :; do sleep 1; done) & read x <gate",
    ]);
    let _gate = step.gate("gate");
    assert!(step.run().await.succeeded());
    assert!(step.output(0).ends_with("bye\n"));
}

#[tokio::test]
async fn output_can_be_followed_while_the_command_runs() {
    let step = Step::of(&["echo first; echo >gate; sleep 1000"]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    grown(&step.dir().join("out-0"), 6).await;
    assert_eq!(step.output(0), "first\n");
    let exit = exited(handle.stop().await.expect("it stops"));
    assert_eq!(exit.commands[0].stopped, Some(Stopped::Canceled));
}

#[tokio::test]
async fn a_flood_does_not_outlast_its_timeout() {
    let mut step = Step::of(&["yes"]);
    step.job.commands[0].timeout_ms = Some(300);
    let record = step.run_one().await;
    assert_eq!(record.stopped, Some(Stopped::TimedOut));
    assert!(record.truncated);
}

#[tokio::test]
async fn a_full_disk_stops_the_file_but_not_the_command() {
    let mut step = Step::of(&["seq 1 1000; exit 5"]);
    step.job.commands[0].stdout = "/dev/full".into();
    let record = step.run_one().await;
    assert_eq!((record.exit_code, record.output_lines), (Some(5), 1000));
    assert!(record.output_error.is_some(), "{record:?}");
}

#[tokio::test]
async fn an_output_that_met_a_full_disk_has_no_hole() {
    let mut step = Step::of(&["seq 1 400000; rm disk/filler; echo end"]);
    let Some(disk) = Disk::at(&step.dir().join("disk"), 1) else {
        return;
    };
    let output = disk.0.join("output");
    std::fs::write(disk.0.join("room"), [0; 100_000]).expect("a file");
    disk.fill();
    std::fs::remove_file(disk.0.join("room")).expect("a file");
    let command = &mut step.job.commands[0];
    command.stdout = output.clone().into();
    command.max_output_bytes = 1 << 30;
    let record = step.run_one().await;
    assert!(record.output_error.is_some(), "{record:?}");
    assert_eq!(record.output_lines, 400_001);
    let whole: String = (1..=400_000).map(|n| format!("{n}\n")).collect();
    let kept = std::fs::read_to_string(output).expect("the output");
    assert!(kept.len() >= 90_000 && whole.starts_with(&kept), "a hole");
}

#[tokio::test]
async fn what_was_said_at_the_very_end_is_read_though_its_speaker_is_gone() {
    let step = Step::of(&["echo $$ >gate; read x <go; head -c 1000000 /dev/zero; printf end"]);
    let (gate, _go) = (step.gate("gate"), step.gate("go"));
    let handle = step.start().await;
    let pid: i32 = gate.passed().await.parse().expect("a pid");
    // The keeper sees all of it at once: the output, and that nobody is left.
    signal(&handle, Signal::STOP);
    std::fs::write(step.dir().join("go"), "go\n").expect("the pipe");
    eventually(async || proc::stat(pid).is_ok_and(|it| !it.alive).then_some(())).await;
    signal(&handle, Signal::CONT);
    let exit = exited(handle.wait().await.expect("it ends"));
    assert_eq!(exit.commands[0].output_bytes, 1_000_003);
    assert!(step.output(0).ends_with("end"));
}
