//! In which step a process works, where no keeper can say so any more, or somebody only looks like one.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use agent_loop::core::step::Confinement;
use agent_loop::effect::keeper::{KeeperRecord, MARKER_NAME, step_around};
use agent_loop::effect::proc::{self, Identity};

use crate::support::eventually;

/// A process, ended with the test.
struct Started(Child);

impl Started {
    fn start(command: &mut Command) -> Self {
        Started(command.spawn().expect("it starts"))
    }

    fn identity(&self) -> Identity {
        let pid = self.0.id().cast_signed();
        proc::stat(pid).expect("it lives").identity
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

#[tokio::test]
async fn a_process_of_nobody_is_in_no_step_and_a_marked_one_without_a_keeper_is_in_the_one_it_names()
 {
    let plain = Started::start(&mut sleeper());
    assert_eq!(step_around(plain.identity()).expect("readable"), None);
    let marked = Started::start(sleeper().env(MARKER_NAME, "run-1.2"));
    let is_set = || proc::any_env(marked.identity().pid, |entry| !entry.is_empty());
    // The kernel lets us go on a moment before it has put arguments and environment in their place.
    eventually(async || is_set().expect("readable").then_some(())).await;
    let step = step_around(marked.identity()).expect("readable");
    assert_eq!(step.as_deref(), Some("run-1.2"));
}

/// Called as a keeper is: by its word, and the directory of its step.
async fn so_called(dir: &Path) -> Started {
    let mut command = Command::new("sh");
    std::fs::write(dir.join("__keeper"), "read line\n").expect("a file");
    command
        .arg0("loopd")
        .arg("__keeper")
        .arg(dir)
        .current_dir(dir)
        .stdin(Stdio::piped());
    let keeper = Started::start(&mut command);
    let is_called = || proc::is_called(keeper.identity().pid, "__keeper");
    eventually(async || is_called().expect("readable").then_some(())).await;
    keeper
}

#[tokio::test]
async fn what_looks_like_a_keeper_and_is_on_no_record_counts_as_a_fence() {
    let dir = tempfile::tempdir().expect("a directory");
    let keeper = so_called(dir.path()).await;
    let around = || step_around(keeper.identity()).expect("readable");
    assert_eq!(around().as_deref(), Some("unknown"));
    let mut record = KeeperRecord {
        identity: keeper.identity(),
        boot_id: String::new(),
        version: String::new(),
        marker: "LOOPD_STEP=run-1.2".to_owned(),
        grace_ms: 0,
        confinement: Some(Confinement::off()),
    };
    let write = |record: &KeeperRecord| {
        let text = serde_json::to_vec(record).expect("JSON");
        std::fs::write(dir.path().join("keeper.json"), text).expect("a file");
    };
    write(&record);
    assert_eq!(around(), None, "it keeps a step without a fence");
    record.identity.start_time += 1;
    write(&record);
    let of_another = around();
    assert_eq!(of_another.as_deref(), Some("unknown"));
}

#[test]
fn a_process_that_is_gone_is_an_error_and_so_is_another_one_with_its_pid() {
    let ended = Started::start(&mut sleeper());
    let identity = ended.identity();
    let another = Identity {
        start_time: identity.start_time + 1,
        ..identity
    };
    assert!(step_around(another).is_err());
    drop(ended);
    assert!(step_around(identity).is_err());
}
