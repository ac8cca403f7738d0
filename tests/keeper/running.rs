//! Commands that run to their end: statuses, streams, order.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use agent_loop::effect::keeper::{self, KeeperError, OsText, Stderr, Stdin, Stopped};

use super::step::{EXE, Step, Succeeded as _};

#[tokio::test]
async fn an_exit_status_is_recorded_as_it_is() {
    let exit = Step::of(&["exit 0", "exit 3", "exit 255"]).run().await;
    let codes: Vec<_> = exit
        .commands
        .iter()
        .map(|c| (c.exit_code, c.signal))
        .collect();
    assert_eq!(codes, [(Some(0), None), (Some(3), None), (Some(255), None)]);
    assert!(!exit.succeeded() && !exit.canceled);
    assert_eq!(exit.left_behind, [""; 0]);
}

#[tokio::test]
async fn a_command_that_is_killed_from_outside_is_recorded_with_the_signal() {
    let record = Step::of(&["kill -9 $$"]).run_one().await;
    assert_eq!((record.exit_code, record.signal), (None, Some(9)));
    assert_eq!(record.stopped, None);
}

#[tokio::test]
async fn output_is_complete_in_the_order_of_writing() {
    let step = Step::of(&["echo one; echo two >&2; seq 1 20000; printf end"]);
    let record = step.run_one().await;
    let lines: Vec<String> = (1..=20000).map(|n| n.to_string()).collect();
    assert_eq!(
        step.output(0),
        format!("one\ntwo\n{}\nend", lines.join("\n"))
    );
    assert_eq!(record.output_lines, 20003);
    assert_eq!(record.output_bytes, step.bytes(0).len() as u64);
    assert!(record.succeeded() && !record.truncated);
}

#[tokio::test]
async fn errors_can_go_to_a_file_of_their_own() {
    let mut step = Step::of(&["echo out; echo err >&2"]);
    let errors = step.dir().join("errors");
    step.job.commands[0].stderr = Stderr::File(errors.clone().into());
    let record = step.run_one().await;
    assert_eq!(step.output(0), "out\n");
    assert_eq!(
        std::fs::read_to_string(errors).expect("the errors"),
        "err\n"
    );
    assert_eq!((record.output_bytes, record.output_lines), (8, 2));
}

#[tokio::test]
async fn bytes_that_are_not_utf8_pass_through_arguments_environment_and_output() {
    let odd = |bytes: &[u8]| OsText::from(OsString::from_vec(bytes.to_vec()));
    let mut step = Step::of(&[r#"printf '%s|%s' "$1" "$ODD""#]);
    step.job.commands[0]
        .argv
        .extend(["sh".into(), odd(b"a\xffb")]);
    step.job.commands[0].env.push(("ODD".into(), odd(b"\xc3(")));
    assert!(step.run_one().await.succeeded());
    assert_eq!(step.bytes(0), b"a\xffb|\xc3(");
}

#[tokio::test]
async fn standard_input_is_empty_or_a_file() {
    let mut step = Step::of(&["cat; readlink /proc/self/fd/0", "cat"]);
    let prompt = step.dir().join("prompt");
    std::fs::write(&prompt, "do it").expect("a prompt");
    step.job.commands[1].stdin = Stdin::File(prompt.into());
    assert!(step.run().await.succeeded());
    assert_eq!(
        (step.output(0), step.output(1)),
        ("/dev/null\n".into(), "do it".into())
    );
}

#[tokio::test]
async fn pipelines_work_and_every_command_is_run_even_if_one_fails() {
    let step = Step::of(&["seq 1 9 | sort -r | head -n 1", "exit 1", "echo last"]);
    let exit = step.run().await;
    assert_eq!(exit.commands.len(), 3);
    assert_eq!(
        (step.output(0), step.output(2)),
        ("9\n".into(), "last\n".into())
    );
}

#[tokio::test]
async fn each_command_has_a_timeout_of_its_own() {
    let mut step = Step::of(&["echo a; sleep 1000", "echo b"]);
    step.job.commands[0].timeout_ms = Some(200);
    let exit = step.run().await;
    assert_eq!(exit.commands[0].stopped, Some(Stopped::TimedOut));
    assert_eq!(exit.commands[0].signal, Some(15));
    assert!(exit.commands[0].duration_ms >= 200);
    assert!(exit.commands[1].succeeded());
    assert_eq!(
        (step.output(0), step.output(1)),
        ("a\n".into(), "b\n".into())
    );
}

#[tokio::test]
async fn what_cannot_be_started_is_on_record_and_named() {
    let mut step = Step::of(&["", "", "", "", "echo fine"]);
    let commands = &mut step.job.commands;
    commands[0].argv = vec!["no-such-agent".into()];
    commands[1].cwd = "/no/such/place".into();
    commands[2].stdin = Stdin::File("/no/such/prompt".into());
    commands[3].stdout = "/no/such/log".into();
    let exit = step.run().await;
    for (record, name) in exit.commands.iter().zip([
        "`no-such-agent`",
        "/no/such/place",
        "/no/such/prompt",
        "/no/such/log",
    ]) {
        let why = record.not_started.as_deref().unwrap_or_default();
        assert!(why.contains(name), "{record:?}");
        assert!(!record.succeeded());
    }
    assert!(exit.commands[4].succeeded());
}

#[tokio::test]
async fn a_job_that_no_keeper_could_run_is_refused_before_anything_starts() {
    let mut no_program = Step::of(&["true"]);
    no_program.job.commands[0].argv.clear();
    let mut relative = Step::of(&["true"]);
    relative.job.commands[0].stdout = "out".into();
    let mut shared = Step::of(&["true"]);
    shared.job.commands[0].stderr = Stderr::File(shared.job.commands[0].stdout.clone());
    let mut unmarked = Step::of(&["true"]);
    unmarked.job.marker = "LOOPD_STEP=".into();
    let mut cut_off = Step::of(&["true"]);
    cut_off.job.marker.push('\0');
    let [mut nameless, mut misnamed] = [Step::of(&["true"]), Step::of(&["true"])];
    for (step, name) in [(&mut nameless, ""), (&mut misnamed, "A=B")] {
        let entry = (name.into(), "value".into());
        step.job.commands[0].env.push(entry);
    }
    for step in [
        no_program, relative, shared, unmarked, cut_off, nameless, misnamed,
    ] {
        let refused = keeper::start(step.dir(), &step.job, Path::new(EXE)).await;
        assert!(matches!(refused, Err(KeeperError::Job(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_no_keeper_is_an_error_that_says_so() {
    let step = Step::of(&["true"]);
    let silent = keeper::start(step.dir(), &step.job, Path::new("/bin/true")).await;
    assert!(
        matches!(silent, Err(KeeperError::NotUp { .. })),
        "{silent:?}"
    );
    let missing = keeper::start(step.dir(), &step.job, Path::new("/no/such/loopd")).await;
    assert!(
        matches!(missing, Err(KeeperError::Os { .. })),
        "{missing:?}"
    );
}
