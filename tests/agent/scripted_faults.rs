//! The faults of the built-in agent: each is what it says.

use std::fs;
use std::process::Stdio;

use agent_loop::agent::{ResultClass, Role};
use agent_loop::core::plan::{CompletionMode, TOKEN, claims};

use super::lab::{Lab, report};

#[test]
fn a_flood_is_as_long_as_it_says() {
    let lab = Lab::new();
    let script = "[[turn]]\nsteps = [{ flood = 200000 }, { endless_line = 100000 }]";
    let output = lab
        .command(Role::Implement, 1, Some(script))
        .output()
        .unwrap();
    assert!((300_000..302_000).contains(&output.stdout.len()));
    let longest = output
        .stdout
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::len)
        .max();
    assert_eq!(longest, Some(100_000));
    assert_eq!(report(&output).class, ResultClass::Done);
}

#[test]
fn a_lie_changes_nothing_and_claims_everything() {
    let lab = Lab::new();
    let report = lab.implement("[[turn]]\nsteps = ['lie']");
    assert!(claims(
        &report.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn tampering_and_writing_elsewhere_hit_their_marks() {
    let lab = Lab::new();
    lab.write("spec.md", "x");
    fs::create_dir(lab.repo().join("tests")).unwrap();
    lab.write("tests/a.sh", "exit 1");
    lab.git(&["add", "-A"]);
    lab.git(&["commit", "-q", "-m", "tests"]);
    let tree = lab.dir.path().join("tree");
    lab.git(&["worktree", "add", "-q", tree.to_str().unwrap()]);
    let script = r#"
        [[turn]]
        steps = [
          "tamper_plan",
          { tamper_tests = "tests" },
          { edit_main = { path = "spec.md", text = "mine" } },
        ]
    "#;
    let mut command = lab.command(Role::Implement, 1, Some(script));
    let output = command.current_dir(&tree).output().unwrap();
    assert_eq!(report(&output).class, ResultClass::Done, "{output:?}");
    assert_eq!(lab.read("spec.md"), "mine");
    let plan = fs::read_to_string(tree.join("plan.md")).unwrap();
    assert_eq!(plan, "# Plan\n\n- [ ] one\n");
    assert_eq!(fs::read(tree.join("tests/a.sh")).unwrap(), b"");
    assert_eq!(lab.read("tests/a.sh"), "exit 1");
}

#[test]
fn it_closes_its_output_and_lives_on() {
    let lab = Lab::new();
    let script =
        "[[turn]]\nsteps = [{ say = 'a' }, 'close_stdout', { say = 'b' }, { tick = 'next' }]";
    let output = lab
        .command(Role::Implement, 1, Some(script))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(lab.read("plan.md").contains("[x] one"));
    let report = report(&output);
    assert_eq!(report.final_message, "a");
    assert_eq!(report.class, ResultClass::Crashed);
}

#[test]
fn it_hangs_and_ignores_requests_to_end() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    let lab = Lab::new();
    let script = "[[turn]]\nsteps = ['ignore_term', { say = 'deaf' }, 'hang']";
    let mut child = lab
        .command(Role::Implement, 1, Some(script))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("deaf")));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // Had it heard the first signal, that one would have ended it.
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn an_orphan_outlives_it_in_a_session_of_its_own() {
    let lab = Lab::new();
    let script =
        "[[turn]]\nsteps = [{ orphan = { sec = 300, pid_file = 'orphan.pid', clean_env = true } }]";
    let report = lab.implement(script);
    assert_eq!(report.class, ResultClass::Done, "{}", report.message);
    let pid = orphan(&lab);
    let session = rustix::process::getsid(Some(pid));
    assert_eq!(session, Ok(pid), "{pid:?} leads a session of its own");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn an_orphan_can_keep_the_output_open() {
    let lab = Lab::new();
    let script = "[[turn]]\nsteps = [{ orphan = { sec = 300, pid_file = 'orphan.pid', holds_output = true } }]";
    let mut child = lab
        .command(Role::Implement, 1, Some(script))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    let pid = orphan(&lab);
    let held = fs::read_link(format!("/proc/{}/fd/1", pid.as_raw_nonzero())).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let ours = child.stdout.take().unwrap();
    let ours = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&ours));
    assert_eq!(held, fs::read_link(ours).unwrap(), "the same pipe");
}

fn orphan(lab: &Lab) -> rustix::process::Pid {
    let pid = lab.read("orphan.pid").trim().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}
