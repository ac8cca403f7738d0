//! The built-in agent in a real repository, as the process that it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use agent_loop::agent::{Call, Dialect, Exit, Report, ResultClass, Role, resolve, verdict};
use agent_loop::config::AgentDefinition;
use agent_loop::core::plan::{CompletionMode, TOKEN, claims};
use tempfile::TempDir;

use super::streams::{CLOCK, parse};

/// A repository with a plan, and a place for the state.
struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab {
            dir: TempDir::new().unwrap(),
        };
        fs::create_dir(lab.repo()).unwrap();
        lab.git(&["init", "-q", "-b", "main"]);
        lab.write("plan.md", "# Plan\n\n- [ ] one\n- [ ] two\n");
        lab.git(&["add", "-A"]);
        lab.git(&["commit", "-q", "-m", "init"]);
        fs::write(lab.dir.path().join("prompt"), "Do the next task.").unwrap();
        lab
    }

    fn repo(&self) -> std::path::PathBuf {
        self.dir.path().join("repo")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.repo().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.repo().join(name)).unwrap()
    }

    fn clean(&self, program: &str, cwd: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "t")
            .env("GIT_AUTHOR_EMAIL", "t@localhost")
            .env("GIT_COMMITTER_NAME", "t")
            .env("GIT_COMMITTER_EMAIL", "t@localhost")
            .current_dir(cwd);
        command
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.clean("git", &self.repo()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn command(&self, role: Role, iteration: u32, script: Option<&str>) -> Command {
        let definitions = script
            .map(|script| {
                let path = self.dir.path().join("script.toml");
                fs::write(&path, script).unwrap();
                let definition = AgentDefinition {
                    args: vec![path.to_str().unwrap().to_owned()],
                    ..AgentDefinition::default()
                };
                ("scripted".to_owned(), definition)
            })
            .into_iter()
            .collect();
        let call = Call {
            role,
            model: None,
            prompt_file: self.dir.path().join("prompt"),
            plan: "plan.md".into(),
            iteration,
            resume: None,
            new_session: None,
            state_dir: self.dir.path().join("state"),
            self_exe: env!("CARGO_BIN_EXE_loopctl").into(),
            root: false,
            max_turns: None,
            max_cost_usd: None,
        };
        let line = resolve("scripted", &definitions)
            .unwrap()
            .command(&call)
            .unwrap();
        let mut command = self.clean(line.program.to_str().unwrap(), &self.repo());
        command.args(line.args).stdin(Stdio::null());
        command
    }

    fn play(&self, role: Role, iteration: u32, script: Option<&str>) -> Report {
        let output = self.command(role, iteration, script).output().unwrap();
        report(&output)
    }

    fn implement(&self, script: &str) -> Report {
        self.play(Role::Implement, 1, Some(script))
    }
}

fn report(output: &Output) -> Report {
    use std::os::unix::process::ExitStatusExt;
    let exit = Exit {
        code: output.status.code(),
        signal: output.status.signal(),
        ..Exit::default()
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    parse(Dialect::Normal, &output.stdout, &stderr, &exit).1
}

#[test]
fn without_a_script_it_does_task_after_task_and_says_when_all_are_done() {
    let lab = Lab::new();
    let first = lab.play(Role::Implement, 1, None);
    assert_eq!(first.class, ResultClass::Done, "{}", first.message);
    assert!(!claims(
        &first.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [x] one\n- [ ] two\n");
    assert_eq!(lab.git(&["log", "-1", "--format=%s"]), "Do: one");

    let second = lab.play(Role::Implement, 2, None);
    assert!(claims(
        &second.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [x] one\n- [x] two\n");

    let third = lab.play(Role::Implement, 3, None);
    assert!(claims(
        &third.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "3");
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
}

#[test]
fn without_a_script_it_does_not_claim_that_blocked_tasks_are_done() {
    let lab = Lab::new();
    lab.write("plan.md", "- [x] one\n- [~] two\n");
    let report = lab.play(Role::Implement, 1, None);
    assert!(!claims(
        &report.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
}

#[test]
fn without_a_script_it_approves() {
    let report = Lab::new().play(Role::Review, 1, None);
    assert!(verdict::parse(&report.final_message).unwrap().approved);
}

#[test]
fn every_step_does_what_it_says() {
    let lab = Lab::new();
    let report = lab.implement(
        r##"
        [[turn]]
        steps = [
          { say = "I begin." },
          { write = { path = "src/a.txt", text = "one\n" } },
          { append = { path = "src/a.txt", text = "two\n" } },
          { edit = { path = "src/a.txt", find = "one", replace = "1" } },
          { write = { path = "gone.txt", text = "" } },
          { delete = "gone.txt" },
          { tick = "two" },
          { commit = "Second first" },
          { git = ["tag", "here"] },
          { sh = "echo shell > sh.txt; exit 3" },
          { raw = "no event" },
          { stderr = "careful" },
          { usage = { input_tokens = 5, output_tokens = 7, cost_usd = 0.5 } },
          { sleep_ms = 1 },
          { say = "I end." },
        ]
        "##,
    );
    assert_eq!(report.class, ResultClass::Done, "{}", report.message);
    assert_eq!(report.final_message, "I end.");
    assert_eq!(report.raw_lines, 1);
    assert_eq!(report.usage.input_tokens, 5);
    assert_eq!(report.usage.cost_usd, Some(0.5));
    assert_eq!(lab.read("src/a.txt"), "1\ntwo\n");
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [ ] one\n- [x] two\n");
    assert_eq!(
        lab.git(&["log", "-1", "--format=%s", "here"]),
        "Second first"
    );
    assert_eq!(lab.read("sh.txt"), "shell\n");
    assert!(!lab.repo().join("gone.txt").exists());
}

#[test]
fn turns_are_played_in_order_by_role_and_the_last_one_again() {
    let lab = Lab::new();
    let script = r#"
        [[turn]]
        steps = [{ say = "first" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "no" } }]
        [[turn]]
        steps = [{ say = "second" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = true } }]
    "#;
    let play = |role| lab.play(role, 1, Some(script)).final_message;
    assert_eq!(play(Role::Implement), "first");
    assert_eq!(play(Role::Review), "no\n\nCHANGES REQUESTED");
    assert_eq!(play(Role::Implement), "second");
    assert_eq!(play(Role::Implement), "second");
    assert_eq!(play(Role::Review), "APPROVED");
    assert_eq!(play(Role::Review), "APPROVED");
}

#[test]
fn after_the_last_turn_it_can_go_on_as_without_a_script() {
    let lab = Lab::new();
    let script = "then = 'default'\n[[turn]]\nsteps = [{ say = 'first' }]";
    assert_eq!(lab.implement(script).final_message, "first");
    lab.implement(script);
    assert!(lab.read("plan.md").contains("[x] one"));
}

#[test]
fn a_turn_out_of_order_waits_for_its_moment_and_is_played_so_often_at_most() {
    let lab = Lab::new();
    let script = r#"
        [[turn]]
        steps = [{ say = "usual" }]
        [[turn]]
        when = { iteration = 2, prompt_contains = "next task" }
        steps = [{ say = "special" }]
        [[turn]]
        when = { prompt_contains = "never said" }
        steps = [{ say = "never" }]
    "#;
    let play = |iteration| {
        lab.play(Role::Implement, iteration, Some(script))
            .final_message
    };
    assert_eq!(play(1), "usual");
    assert_eq!(play(2), "special");
    assert_eq!(play(2), "usual");
}

#[test]
fn ends_are_told_as_real_agents_tell_them() {
    for (step, class) in [
        (
            "{ limit = { resets_in_sec = 60 } }",
            ResultClass::Limited {
                resets_at: Some(CLOCK.now.plus_ms(60_000)),
            },
        ),
        ("{ limit = {} }", ResultClass::Limited { resets_at: None }),
        ("'auth'", ResultClass::Auth),
        ("{ end = { how = 'max_turns' } }", ResultClass::MaxTurns),
        ("{ end = { how = 'budget' } }", ResultClass::Budget),
        (
            "{ end = { how = 'failed', message = 'm', fault = { kind = 'refused' } } }",
            ResultClass::Refused,
        ),
        ("{ exit = 0 }", ResultClass::Crashed),
        ("{ exit = 3 }", ResultClass::Crashed),
        ("{ signal = 9 }", ResultClass::Crashed),
        (
            "{ edit = { path = 'plan.md', find = 'zzz', replace = '' } }",
            ResultClass::Crashed,
        ),
        ("{ git = ['frobnicate'] }", ResultClass::Crashed),
    ] {
        let report = Lab::new().implement(&format!("[[turn]]\nsteps = [{step}, {{ say = 'on' }}]"));
        assert_eq!(report.class, class, "{step}: {}", report.message);
        assert_eq!(report.final_message, "", "{step}");
        assert!(!report.message.is_empty(), "{step}");
    }
}

#[test]
fn a_turn_is_counted_before_it_is_played_so_that_a_crash_is_played_once() {
    let lab = Lab::new();
    let script = "[[turn]]\nsteps = [{ signal = 9 }]\n[[turn]]\nsteps = [{ say = 'back' }]";
    assert_eq!(lab.implement(script).class, ResultClass::Crashed);
    assert_eq!(lab.implement(script).final_message, "back");
}

#[test]
fn a_script_that_is_wrong_is_refused_and_the_place_is_named() {
    for (script, part) in [
        ("[[turn]]\nsteps = ['fly']", "fly"),
        ("[[turn]]\nstep = []", "step"),
        ("[[turn]]\nrole = 'cook'\nsteps = []", "cook"),
        ("[[turn]]\nsteps = [{ write = { path = 'a' } }]", "text"),
        ("not toml", "script.toml"),
    ] {
        let report = Lab::new().implement(script);
        assert_eq!(report.class, ResultClass::Refused, "{script}");
        assert!(report.message.contains(part), "{}", report.message);
    }
}

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
    let session = rustix::process::getsid(Some(pid)).unwrap();
    assert_ne!(session, rustix::process::getsid(None).unwrap());
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
