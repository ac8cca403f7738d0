//! `loopctl` and a real `loopd`, each a process of its own: whoever waits for a run goes on waiting while the daemon is
//! killed and started again.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::loopctl::{Ended, User};
use crate::support::{Repository, Turnstile};

/// A user with a data directory, an address and a configuration of their own.
struct Place {
    user: User,
    data: PathBuf,
    addr: String,
}

impl Place {
    fn new() -> Self {
        let user = User::new();
        let data = user.home.path().join("data");
        let addr = format!("unix:{}", user.home.path().join("sock").display());
        Place { user, data, addr }
    }

    /// Starts the daemon. Whoever asks it for something waits until it is ready.
    fn loopd(&self) -> Child {
        self.loopd_that_logs_to(Stdio::null())
    }

    fn loopd_that_logs_to(&self, log: Stdio) -> Child {
        Command::new(env!("CARGO_BIN_EXE_loopd"))
            .arg("--addr")
            .arg(&self.addr)
            .arg("--data-dir")
            .arg(&self.data)
            .env_clear()
            .env("HOME", self.user.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("loopd starts")
    }

    fn loopctl(&self, args: &[&str]) -> Command {
        let mut command = self.user.command(args);
        command
            .env("LOOPD_ADDR", &self.addr)
            .arg("--data-dir")
            .arg(&self.data)
            .arg("--ready-timeout")
            .arg("60s");
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_run_waits_across_a_killed_and_a_restarted_daemon() {
    let repo = Repository::with_plan("# Plan\n\n- [ ] first thing\n");
    let place = Place::new();
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Do\" }}, \"complete\"]\n",
        stile.sh()
    );
    let script = repo.beside("script.toml", &script);
    let config = format!(
        "agent = \"scripted\"\nreviewer = false\n[agents.scripted]\ndriver = \"scripted\"\nargs = [{:?}]\n",
        script.display().to_string()
    );
    place.user.file(".config/loopd/config.toml", config);

    let mut daemon = place.loopd();
    let mut command = place.loopctl(&["run", "specs/thing.md", "--wait"]);
    let waiting = command.current_dir(&repo.root).spawn().expect("starts");
    stile.somebody().await;
    daemon.kill().await.expect("killed");
    // Orderly the next time: the agent is kept, and so is whoever waits.
    let daemon = place.loopd();
    let list = place.loopctl(&["list"]).output().await.expect("starts");
    assert!(list.status.success(), "{list:?}");
    ends_when_told(daemon).await;
    let _daemon = place.loopd();
    stile.open();
    let ended: Ended = waiting
        .wait_with_output()
        .await
        .expect("loopctl ends")
        .into();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    assert!(ended.out.contains("completed"), "{}", ended.out);
    assert!(stile.is_empty(), "the agent was called once");
}

/// In good order, with nothing left to do.
async fn ends_when_told(mut daemon: Child) {
    let pid = daemon.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
    let ended = daemon.wait().await.expect("an end");
    assert!(ended.success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_log_takes_nothing_serves_all_the_same() {
    let place = Place::new();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let daemon = place.loopd_that_logs_to(full.expect("a device").into());
    let list = place.loopctl(&["list"]).output().await.expect("starts");
    assert!(list.status.success(), "{list:?}");
    ends_when_told(daemon).await;
}
