//! What reaches a command from whoever started the keeper: nothing but what the job says.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use agent_loop::effect::keeper::{ExitRecord, OsText};

use super::step::{EXE, Step, Succeeded as _};

/// Runs the step's keeper from a shell that was prepared by `first`.
fn run_from_shell(step: &Step, first: &str) -> ExitRecord {
    let job = serde_json::to_vec(&step.job).expect("json");
    std::fs::write(step.dir().join("job.json"), job).expect("the job");
    let status = Command::new("/bin/sh")
        .args(["-c", &format!(r#"{first}; exec "$0" __keeper "$1""#), EXE])
        .arg(step.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .env("SECRET", "of the daemon")
        .status()
        .expect("a shell");
    assert!(status.success());
    ExitRecord::read(step.dir())
        .expect("readable")
        .expect("a record")
}

#[test]
fn signals_that_the_starter_ignores_have_their_default_again() {
    let mut step = Step::of(&["unused"]);
    // Without a shell, which would clear its mask by itself.
    step.job.commands[0].argv = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
        .map(OsText::from)
        .to_vec();
    let exit = run_from_shell(&step, "trap '' HUP INT QUIT TERM USR1 CHLD PIPE");
    assert!(exit.succeeded(), "{exit:?}");
    // The two signals below SIGRTMIN are the C library's own.
    let reserved = 0b11_u64 << 31;
    for line in step.output(0).lines() {
        let mask = line.split_whitespace().nth(1).expect("a mask");
        let mask = u64::from_str_radix(mask, 16).expect("a number");
        assert_eq!(mask & !reserved, 0, "{line}");
    }
    assert_eq!(step.output(0).lines().count(), 2);
}

#[test]
fn open_files_of_the_starter_are_not_handed_on() {
    let step = Step::of(&["ls /proc/self/fd"]);
    run_from_shell(&step, "exec 5</dev/null 9</dev/null");
    // The fourth is the directory that `ls` itself reads.
    assert_eq!(step.output(0), "0\n1\n2\n3\n");
}

#[test]
fn variables_of_the_starter_are_not_handed_on() {
    let step = Step::of(&["env"]);
    run_from_shell(&step, ":");
    let seen = step.output(0);
    assert!(seen.contains("PATH=") && !seen.contains("SECRET"), "{seen}");
}

#[test]
fn a_second_keeper_runs_nothing_and_leaves_no_job_about() {
    let step = Step::of(&["echo ran >>count"]);
    let first = run_from_shell(&step, ":");
    // A second time the whole job is handed over.
    assert_eq!(run_from_shell(&step, ":"), first);
    let count = std::fs::read_to_string(step.dir().join("count"));
    assert_eq!(count.expect("a file"), "ran\n");
    assert!(!step.dir().join("job.json").exists());
}

#[tokio::test]
async fn the_environment_is_the_jobs_and_the_marker() {
    let step = {
        let mut step = Step::of(&["unused"]);
        step.job.commands[0].argv = vec![OsText::from("env")];
        step
    };
    assert!(step.run_one().await.succeeded());
    let mut lines: Vec<String> = step.output(0).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [step.job.marker.clone(), "PATH=/usr/bin:/bin".into()]
    );
}

#[tokio::test]
async fn the_keeper_itself_holds_neither_environment_nor_marker_nor_the_worktree() {
    let script = "tr '\\0' '\\n' </proc/$PPID/environ; readlink /proc/$PPID/cwd";
    let step = Step::of(&[script]);
    assert!(step.run_one().await.succeeded());
    assert_eq!(step.output(0), "/\n");
}

#[tokio::test]
async fn the_job_is_gone_once_read_and_the_records_are_the_owners_alone() {
    let step = Step::of(&["ls job.json"]);
    assert!(!step.run_one().await.succeeded());
    for name in ["keeper.json", "exit.json"] {
        let meta = std::fs::metadata(step.dir().join(name)).expect("a record");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
