//! The real daemon with a configuration file of its own, the real `loopctl`, and a look into the database.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use agent_loop::core::run::RunId;
use agent_loop::store::{self, Reader, StoredRun};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::{Repository, eventually};

/// A daemon that works.
pub struct Loopd {
    home: PathBuf,
    child: Child,
    pub address: String,
    pub reader: Reader,
}

impl Loopd {
    /// One whose configuration file says this; its data stand beside the repository.
    pub async fn with(repo: &Repository, name: &str, config: &str) -> Loopd {
        Loopd::with_environment(repo, name, config, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn with_environment(
        repo: &Repository,
        name: &str,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Loopd {
        let command = [env!("CARGO_BIN_EXE_loopd")];
        Loopd::by(&command, repo, name, config, environment).await
    }

    /// The same, started by this command.
    pub async fn by(
        command: &[&str],
        repo: &Repository,
        name: &str,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Loopd {
        let [program, words @ ..] = command else {
            panic!("a command has a name");
        };
        let home = repo.outside().join(name);
        std::fs::create_dir_all(&home).expect("a directory");
        let (file, data) = (home.join("loopd.toml"), home.join("data"));
        std::fs::write(&file, config).expect("a file");
        let log = std::fs::File::create(home.join("log")).expect("a file");
        let child = clean(program, &home)
            .args(words)
            .args(["--addr", "http://127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .arg("--config")
            .arg(&file)
            .envs(environment.iter().copied())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .expect("loopd starts");
        // It signs its lock with the address once it listens, and says so when it is ready.
        let told = || std::fs::read_to_string(home.join("log")).unwrap_or_default();
        eventually(async || told().contains("ready").then_some(())).await;
        let lock = std::fs::read_to_string(data.join("loopd.lock")).expect("a lock");
        let (_, address) = lock.rsplit_once(" on ").expect("an address");
        let reader = store::open_reading(&data, store::Options::default()).expect("a database");
        Loopd {
            address: address.trim().to_owned(),
            home,
            child,
            reader,
        }
    }

    /// What `loopctl` does here, in a directory.
    pub async fn ctl(&self, dir: &Path, args: &[&str]) -> Output {
        let mut command = clean(env!("CARGO_BIN_EXE_loopctl"), &self.home);
        command.args(["--addr", &self.address, "--data-dir"]);
        command.arg(self.home.join("data")).args(args);
        let output = command.current_dir(dir).output();
        output.await.expect("loopctl starts")
    }

    /// Creates a run of the repository's spec by the scripted agent, with these settings besides.
    pub async fn run(&self, repo: &Repository, script: &str, settings: &str) -> RunId {
        let script = repo.beside(&format!("{}.toml", uuid::Uuid::new_v4()), script);
        let config = format!(
            "agent = \"scripted\"\nreviewer = false\nmerge_strategy = \"none\"\n{settings}\n\
             [agents.scripted]\ndriver = \"scripted\"\nargs = [{:?}]\n",
            script.display().to_string()
        );
        let config = repo.beside(&format!("{}.toml", uuid::Uuid::new_v4()), &config);
        let config = config.display().to_string();
        let args = ["-q", "run", "specs/thing.md", "--config", &config];
        let made = self.ctl(&repo.root, &args).await;
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        RunId(String::from_utf8_lossy(&made.stdout).trim().to_owned())
    }

    /// Waits until a run is as wanted.
    pub async fn wait(&self, id: &RunId, wanted: impl Fn(&StoredRun) -> bool) -> StoredRun {
        eventually(async || {
            let run = self.reader.run(id).await.expect("a readable database");
            run.filter(&wanted)
        })
        .await
    }

    /// The gates that hold a run, by name, once there are some.
    pub async fn gates(&self, id: &RunId) -> Vec<String> {
        eventually(async || {
            let said = self.ctl(&self.home, &["--json", "why", &id.0]).await;
            let said: Value = serde_json::from_slice(&said.stdout).ok()?;
            let gates = said["gates"].as_array()?.iter();
            let names: Vec<String> = gates
                .filter_map(|gate| Some(gate["gate"].as_str()?.to_owned()))
                .collect();
            (!names.is_empty()).then_some(names)
        })
        .await
    }

    /// What it has written into its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log")).expect("a log")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it works")
    }

    /// Asks it to end, and waits until it has.
    pub async fn end(mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it works");
        kill_process(pid, Signal::TERM).expect("it is ours");
        let status = self.child.wait().await.expect("it ends");
        assert!(status.success(), "{status}");
    }
}

/// A command in a clean environment.
fn clean(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}
