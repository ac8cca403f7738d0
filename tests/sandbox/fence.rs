//! The fence of a keeper: what its commands can and cannot do, and what is on record of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use agent_loop::core::step::Confined;
use agent_loop::effect::confine::{Fence, Kernel, Sandbox, devices};
use agent_loop::effect::keeper::{self, KeeperRecord};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::{landlock, signals_are_confined};
use crate::keeper::step::{Step, Succeeded as _};

/// A step behind a fence that leaves open `open` and the devices; `outside` lies beside it.
struct Fenced {
    step: Step,
    outside: PathBuf,
}

impl Fenced {
    fn of(script: &str) -> Self {
        let mut step = Step::of(&[script]);
        let dir = step.dir().to_owned();
        let [open, outside] = ["open", "outside"].map(|name| dir.join(name));
        for dir in [&open, &outside] {
            std::fs::create_dir_all(dir).expect("a directory");
            std::fs::write(dir.join("file"), "as it was\n").expect("a file");
        }
        let mut writable: Vec<keeper::OsText> = vec![open.into(), dir.join("outside/one").into()];
        std::fs::write(outside.join("one"), "as it was\n").expect("a file");
        writable.extend(devices(true).into_iter().map(Into::into));
        step.job.sandbox = Some(Sandbox {
            writable,
            ..Sandbox::default()
        });
        Self { step, outside }
    }

    fn record(&self) -> KeeperRecord {
        let found = KeeperRecord::read(self.step.dir()).expect("a readable record");
        found.expect("a keeper was here")
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|_| "nothing".to_owned())
}

#[tokio::test]
async fn a_command_writes_what_is_open_and_reads_everything() {
    if !landlock() {
        return;
    }
    let fenced = Fenced::of(
        "cat outside/file > open/copy; echo more >> open/file; mkdir open/a open/b; \
         echo x > open/a/x; mv open/a/x open/b/y; ln open/b/y open/a/z; ln -s ../file open/a/link; \
         echo one > outside/one; echo lost > /dev/null; rm open/a/z; rmdir open/missing 2>/dev/null; mkfifo open/pipe",
    );
    let record = fenced.step.run_one().await;
    assert!(record.succeeded(), "{}", fenced.step.output(0));
    let open = fenced.step.dir().join("open");
    assert_eq!(text(&open.join("copy")), "as it was\n");
    assert_eq!(text(&open.join("b/y")), "x\n");
    assert_eq!(
        text(&fenced.outside.join("one")),
        "one\n",
        "a single file can be open"
    );
    let confinement = fenced.record().confinement.expect("it is on record");
    assert_eq!(confinement.level, Confined::Full);
    assert_eq!(confinement.landlock_abi, Kernel::of_this_machine().abi());
    assert_eq!(confinement.lacks, [""; 0]);
}

#[test]
fn where_git_keeps_its_files_nothing_else_is_made() {
    if !landlock() {
        return;
    }
    let dir = tempfile::TempDir::new().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    for name in ["open", "plain"] {
        std::fs::create_dir(at(name)).expect("a directory");
    }
    let fence = Fence::around(&[at("open").into()], &[at("plain").into()]).expect("a fence");
    let run = |script: &str| {
        let mut child = Command::new("/bin/sh");
        child.args(["-c", script]).current_dir(dir.path());
        fence.enclose(&mut child);
        child.output().expect("a shell").status.success()
    };
    let ordinary = "cd plain && mkdir a && echo x > a/x && mv a/x y && ln y z && rm y && mv z a/";
    assert!(run(ordinary), "{ordinary}");
    for attempt in ["mkfifo plain/pipe", "ln -s /dev/zero plain/link"] {
        assert!(!run(attempt), "{attempt}");
    }
    for (made, moved) in [
        (
            "mkfifo open/pipe",
            "mv open/pipe plain/ || ln open/pipe plain/hard",
        ),
        ("ln -s /dev/zero open/link", "mv open/link plain/"),
    ] {
        assert!(run(made), "{made}");
        // What cannot be moved is not copied into its place either.
        let _ = run(moved);
    }
    let left = std::fs::read_dir(at("plain")).expect("a list").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["a"]);
}

#[tokio::test]
async fn no_way_leads_to_a_file_outside() {
    if !landlock() {
        return;
    }
    for attempt in [
        "echo x > outside/file",
        "echo x >> outside/file",
        "truncate -s 0 outside/file",
        "rm outside/file",
        "mv outside/file open/taken",
        "mv open/file outside/file",
        "ln -s x outside/new",
        "ln outside/file open/hard && echo x > open/hard",
        "mkdir outside/new",
        "ln -s ../outside open/way && echo x > open/way/file",
        "cd outside && echo x > file",
        "(setsid sh -c 'echo x > outside/file')",
        "echo x > /proc/$PPID/cwd/outside/file",
        "exec 3<> outside/file",
    ] {
        let fenced = Fenced::of(&format!("({attempt}) || exit 9"));
        let record = fenced.step.run_one().await;
        assert_eq!(
            record.exit_code,
            Some(9),
            "{attempt}: {}",
            fenced.step.output(0)
        );
        assert_eq!(
            text(&fenced.outside.join("file")),
            "as it was\n",
            "{attempt}"
        );
        let names = std::fs::read_dir(&fenced.outside)
            .expect("it is there")
            .count();
        assert_eq!(names, 2, "{attempt}");
    }
}

#[tokio::test]
async fn a_command_cannot_end_its_keeper_and_can_end_what_it_started() {
    if !landlock() || !signals_are_confined() {
        return;
    }
    let fenced = Fenced::of("sleep 1000 & kill -9 $! && kill -9 $PPID");
    let record = fenced.step.run_one().await;
    assert_eq!(record.exit_code, Some(1), "{}", fenced.step.output(0));
}

/// Whoever sets another's limits has the kernel kill it, and no signal is sent.
#[tokio::test]
async fn the_limits_of_another_process_can_be_seen_and_not_set() {
    if !landlock() {
        return;
    }
    let mut another = Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("it starts");
    let other = Pid::from_child(&another);
    let tried = std::thread::spawn(move || {
        let fence = Fence::around(&[], &[]).expect("a fence");
        fence.enter().expect("the thread enters");
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        // Of its own process, which is this suite: as they are.
        let own = prlimit(None, Resource::Core, getrlimit(Resource::Core));
        let others = prlimit(Some(other), Resource::Fsize, none);
        (own.is_ok(), others.err())
    });
    let (own, others) = tried.join().expect("no panic");
    another.kill().expect("it is ended");
    another.wait().expect("it is gone");
    assert!(own, "a process sets its own limits");
    assert_eq!(others, Some(Errno::PERM));
    let fenced = Fenced::of(
        "grep -q '^Seccomp:.2' /proc/self/status && ulimit -f 100 && cat /proc/$PPID/limits > open/seen",
    );
    let record = fenced.step.run_one().await;
    assert!(record.succeeded(), "{}", fenced.step.output(0));
}

#[tokio::test]
async fn a_required_sandbox_that_lacks_something_starts_nothing_and_another_one_says_what() {
    if !landlock() {
        return;
    }
    let mut fenced = Fenced::of("touch open/started");
    let lack = "the moon is open".to_owned();
    let sandbox = fenced.step.job.sandbox.as_mut().expect("a sandbox");
    sandbox.lacks.push(lack.clone());
    sandbox.required = true;
    let exit = fenced.step.run().await;
    let why = exit.refused.expect("it is refused");
    assert!(why.contains("required") && why.contains(&lack), "{why}");
    assert!(!fenced.step.dir().join("open/started").exists());
    // The same directory may be started again.
    fenced
        .step
        .job
        .sandbox
        .as_mut()
        .expect("a sandbox")
        .required = false;
    assert!(fenced.step.run_one().await.succeeded());
    let confinement = fenced.record().confinement.expect("it is on record");
    assert_eq!(confinement.level, Confined::Partial);
    assert_eq!(confinement.lacks, [lack]);
}

#[tokio::test]
async fn a_step_without_a_sandbox_says_that_it_has_none() {
    let fenced = Step::of(&["true"]);
    assert!(fenced.run_one().await.succeeded());
    let record = KeeperRecord::read(fenced.dir())
        .expect("readable")
        .expect("a record");
    assert_eq!(record.confinement.map(|c| c.level), Some(Confined::Off));
}

/// Landlock nests 16 deep: who stands that deep already cannot be fenced in once more. A kernel that refuses, for real.
#[test]
fn where_the_kernel_refuses_a_step_is_told_to_be_unconfined_or_is_not_started() {
    if !landlock() {
        return;
    }
    let deep = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let fenced = Fenced::of("echo x > outside/file");
        let everything = [keeper::OsText::from("/")];
        for _ in 0..16 {
            let fence = Fence::around(&everything, &[]).expect("a fence");
            fence.enter().expect("the thread enters");
        }
        runtime.block_on(async {
            assert!(fenced.step.run_one().await.succeeded());
            assert_eq!(text(&fenced.outside.join("file")), "x\n");
            let confinement = fenced.record().confinement.expect("it is on record");
            assert_eq!(confinement.level, Confined::None);
            assert!(confinement.lacks[0].contains("ruleset"), "{confinement:?}");
            let mut strict = Fenced::of("echo y > outside/file");
            let sandbox = strict.step.job.sandbox.as_mut().expect("a sandbox");
            sandbox.required = true;
            let refused = strict.step.run().await.refused;
            assert!(refused.is_some_and(|why| why.contains("ruleset")));
            assert_eq!(text(&strict.outside.join("file")), "as it was\n");
        });
    });
    deep.join().expect("the thread ends well");
}
