//! A step in a throw-away directory, and what its tests wait for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use agent_loop::effect::keeper::{
    self, Command, CommandRecord, Ended, ExitRecord, Handle, Job, OsText, Stderr, Stdin,
};
use agent_loop::effect::proc;
use tempfile::TempDir;

pub const EXE: &str = env!("CARGO_BIN_EXE_loopd");

pub struct Step {
    home: TempDir,
    pub job: Job,
}

impl Step {
    /// A step whose commands are shell scripts.
    pub fn of(scripts: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut step = Self {
            job: Job {
                marker: keeper::marker(&uuid::Uuid::now_v7().to_string()),
                commands: Vec::new(),
                grace_ms: 30_000,
                worktree_lock: None,
                sandbox: None,
            },
            home,
        };
        step.job.commands = (0..)
            .zip(scripts)
            .map(|(n, s)| step.command(n, s))
            .collect();
        step
    }

    fn command(&self, n: usize, script: &str) -> Command {
        Command {
            argv: ["/bin/sh", "-c", script].map(OsText::from).to_vec(),
            cwd: self.dir().into(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            stdin: Stdin::Null,
            stdout: self.dir().join(format!("out-{n}")).into(),
            stderr: Stderr::Merged,
            timeout_ms: Some(60_000),
            idle_timeout_ms: None,
            max_output_bytes: 1 << 20,
        }
    }

    pub fn dir(&self) -> &Path {
        self.home.path()
    }

    pub async fn start(&self) -> Handle {
        self.start_by(Path::new(EXE)).await
    }

    /// Its keeper is this program.
    pub async fn start_by(&self, exe: &Path) -> Handle {
        keeper::start(self.dir(), &self.job, exe)
            .await
            .expect("the keeper comes up")
    }

    /// Runs it to its end.
    pub async fn run(&self) -> ExitRecord {
        exited(self.start().await.wait().await.expect("it is waited for"))
    }

    /// Runs it to its end: the record of its only command.
    pub async fn run_one(&self) -> CommandRecord {
        let mut exit = self.run().await;
        assert_eq!(exit.commands.len(), 1, "{exit:?}");
        exit.commands.remove(0)
    }

    pub fn output(&self, n: usize) -> String {
        String::from_utf8_lossy(&self.bytes(n)).into_owned()
    }

    pub fn bytes(&self, n: usize) -> Vec<u8> {
        std::fs::read(self.dir().join(format!("out-{n}"))).expect("the output")
    }

    /// A named pipe called `name` in the working directory of the commands.
    pub fn gate(&self, name: &str) -> Gate {
        let path = self.dir().join(name);
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("a named pipe");
        Gate(path)
    }

    /// Living processes that carry the marker.
    pub fn marked(&self) -> Vec<String> {
        let marker = OsStr::new(&self.job.marker);
        let all = proc::all().expect("/proc");
        let has = |pid| proc::has_env(pid, marker).expect("/proc");
        let ours = |s: &&proc::Stat| s.alive && has(s.identity.pid);
        all.iter().filter(ours).map(proc::describe).collect()
    }
}

/// Whether something has ended well.
pub trait Succeeded {
    /// It ran and exited with 0 by itself; of a step, each of its commands did.
    fn succeeded(&self) -> bool;
}

impl Succeeded for CommandRecord {
    fn succeeded(&self) -> bool {
        self.exit_code == Some(0) && self.stopped.is_none()
    }
}

impl Succeeded for ExitRecord {
    fn succeeded(&self) -> bool {
        let ran = !self.canceled && self.refused.is_none();
        ran && self.commands.iter().all(Succeeded::succeeded)
    }
}

pub fn exited(ended: Ended) -> ExitRecord {
    match ended {
        Ended::Exited(exit) => exit,
        Ended::Lost => panic!("the keeper is lost"),
    }
}

/// A process of the test's own that nobody else may end; gone with the test, however that ends.
pub struct Bystander(std::process::Child);

impl Bystander {
    /// With this `NAME=value` in its environment.
    pub fn carrying(marker: &str) -> Self {
        let (name, value) = marker.split_once('=').expect("a marker");
        let mut sleep = std::process::Command::new("sleep");
        Self::of(sleep.arg("1000").env(name, value))
    }

    pub fn of(command: &mut std::process::Command) -> Self {
        Self(command.spawn().expect("it starts"))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn lives(&mut self) -> bool {
        self.0.try_wait().expect("it is ours").is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // Ended already in some tests.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A moment in a script: it writes into the pipe, the test reads.
pub struct Gate(PathBuf);

impl Gate {
    /// Waits until the script has written and closed the pipe; gives what it wrote.
    pub async fn passed(self) -> String {
        let read = move || std::fs::read_to_string(self.0).expect("the pipe is readable");
        let text = tokio::task::spawn_blocking(read)
            .await
            .expect("it was read");
        text.trim().to_owned()
    }
}

/// Waits until the file holds at least `bytes`.
pub async fn grown(path: &Path, bytes: u64) {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    let path = path.to_owned();
    let wait = move || {
        let changes = inotify::init(CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&changes, &path, WatchFlags::MODIFY).expect("a watch");
        while std::fs::metadata(&path).expect("the file").len() < bytes {
            rustix::io::read(&changes, &mut [0_u8; 4096]).expect("a change");
        }
    };
    tokio::task::spawn_blocking(wait)
        .await
        .expect("it has grown");
}
