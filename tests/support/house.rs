//! A daemon in this process: the engine over a real store, with real git and real keepers. It can be stopped and started
//! again over the same data, as after a crash: performers that are under way are simply gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_loop::config::RunDefaults;
use agent_loop::core::run::{Event, RunId, State};
use agent_loop::core::schedule::{Order, Policy};
use agent_loop::daemon::{self, AskError, Creator, Engine, Handle, Metrics, Planner, Request};
use agent_loop::effect::World;
use agent_loop::effect::git::Git;
use agent_loop::store::{self, Applied, Reader, StoredRun, Writer};
use serde_json::json;
use tokio::task::JoinHandle;

use super::Repository;

/// How long a test waits for something that has to come. Never reached unless something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the daemon is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub policy: Policy,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            policy: Policy {
                max_concurrent_runs: 3,
                max_runs_per_workspace: 1,
                order: Order::Fifo,
                aging_starts: 8,
            },
        }
    }
}

/// A daemon in this process.
pub struct House {
    pub data: PathBuf,
    pub handle: Handle,
    pub reader: Reader,
    pub creator: Creator,
    writer: Writer,
    engine: JoinHandle<()>,
}

impl House {
    /// Opens `data`, which may hold what an earlier one left.
    pub async fn open(data: &Path, options: &Options) -> House {
        std::fs::create_dir_all(data).expect("a data directory");
        let git = Git::find().await.expect("git");
        let (writer, reader) = store::open(data, store::Options::default()).expect("a store");
        let world = Arc::new(World {
            data_dir: data.to_owned(),
            self_exe: PathBuf::from(env!("CARGO_BIN_EXE_loopctl")),
            git: git.clone(),
            writer: writer.clone(),
            reader: reader.clone(),
            environment: clean_environment(data),
            now: daemon::now,
        });
        let planner = Planner::new(options.policy.clone(), data.to_owned(), 0);
        let metrics = Arc::new(Metrics::default());
        let (engine, handle) = Engine::new(
            writer.clone(),
            reader.clone(),
            planner,
            world,
            metrics,
            "test".to_owned(),
        );
        let engine = tokio::spawn(async move { engine.run().await.expect("the engine starts") });
        let creator = Creator {
            engine: handle.clone(),
            reader: reader.clone(),
            git,
            defaults: Arc::new(RunDefaults::default()),
            data_dir: data.to_owned(),
        };
        House {
            data: data.to_owned(),
            handle,
            reader,
            creator,
            writer,
            engine,
        }
    }

    /// Creates a run of the repository's spec with the scripted agent. `script` is TOML; `settings` are configuration.
    pub async fn create(
        &self,
        repo: &Repository,
        script: Option<&str>,
        settings: serde_json::Value,
    ) -> RunId {
        self.try_create(request(repo, script, settings))
            .await
            .expect("the run is created")
    }

    /// The same, with the refusal in words.
    pub async fn try_create(&self, request: Request) -> Result<RunId, String> {
        let created = self.creator.create(request, daemon::now()).await;
        created.map(|c| c.run.id).map_err(|e| e.to_string())
    }

    /// The run as stored.
    pub async fn run(&self, id: &RunId) -> StoredRun {
        self.reader
            .run(id)
            .await
            .expect("a readable store")
            .expect("the run exists")
    }

    /// Waits until the run is as wanted; fails with its story when that does not come.
    pub async fn wait(&self, id: &RunId, wanted: impl Fn(&StoredRun) -> bool) -> StoredRun {
        let mut told = self.handle.told();
        let waiting = async {
            loop {
                told.borrow_and_update();
                let run = self.run(id).await;
                if wanted(&run) {
                    return run;
                }
                told.changed().await.expect("the engine lives");
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(run) => run,
            Err(_) => panic!("waited in vain; the run's story:\n{}", self.story(id).await),
        }
    }

    /// Waits until the run has reached a state.
    pub async fn wait_for(&self, id: &RunId, state: State) -> StoredRun {
        self.wait(id, |run| run.state == state).await
    }

    /// Waits until the run has ended or is held; what it came to.
    pub async fn rest(&self, id: &RunId) -> StoredRun {
        use agent_loop::core::machine::Kind;
        self.wait(id, |run| {
            matches!(run.state.kind(), Kind::Ended | Kind::Held)
        })
        .await
    }

    /// A person's event.
    pub async fn operate(&self, id: &RunId, event: Event) -> Applied {
        self.handle
            .operate(id.clone(), event)
            .await
            .unwrap_or_else(|error: AskError| panic!("{error}"))
    }

    /// Every public event of the run, a line each.
    pub async fn story(&self, id: &RunId) -> String {
        let events = self
            .reader
            .events(Some(id), 0, 10_000)
            .await
            .expect("events");
        events
            .iter()
            .map(|e| format!("{} {}\n", e.kind, e.payload))
            .collect()
    }

    /// The state changes of the run: `queued>running`, …
    pub async fn path(&self, id: &RunId) -> Vec<String> {
        let events = self
            .reader
            .events(Some(id), 0, 10_000)
            .await
            .expect("events");
        events
            .iter()
            .filter(|e| e.kind == "RUN_STATE_CHANGED")
            .map(|e| {
                format!(
                    "{}>{}",
                    e.payload["from"].as_str().unwrap_or("?"),
                    e.payload["to"].as_str().unwrap_or("?")
                )
            })
            .collect()
    }

    /// Lets go of everything at once, as a killed daemon does: nothing is told, keepers go on.
    pub async fn die(self) {
        self.engine.abort();
        let _ = self.engine.await;
        self.writer.close().await;
    }

    /// Asserts that the journal explains every stored row.
    pub async fn check(&self) {
        let violations = self.reader.replay().await.expect("a readable store");
        assert!(
            violations.is_empty(),
            "the journal does not explain what is stored: {violations:?}"
        );
    }
}

/// A request for a run of the repository's spec with the scripted agent.
pub fn request(repo: &Repository, script: Option<&str>, settings: serde_json::Value) -> Request {
    let args: Vec<PathBuf> = script
        .map(|text| {
            let name = format!("script-{}.toml", uuid::Uuid::new_v4());
            repo.beside(&name, text)
        })
        .into_iter()
        .collect();
    let mut overrides = json!({
        "agent": "scripted",
        "agents": { "scripted": { "driver": "scripted", "args": args } },
        "agent_retry_backoff_sec": 0,
        "stop_grace_sec": 2,
    });
    let (Some(all), Some(more)) = (overrides.as_object_mut(), settings.as_object()) else {
        panic!("settings are an object");
    };
    all.extend(more.clone());
    Request {
        workspace_root: repo.root.display().to_string(),
        spec_path: "specs/thing.md".to_owned(),
        overrides: all.clone(),
        ..Request::default()
    }
}

/// What agents and checks may see in tests: no home, no configuration of the machine's.
fn clean_environment(home: &Path) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    vec![
        ("PATH".into(), path),
        ("HOME".into(), home.into()),
        ("LANG".into(), "C.UTF-8".into()),
    ]
}
