//! A daemon in this process: the engine over a real store, with real git and real keepers, on a runtime of its own. It can
//! be killed and opened again over the same data: everything that was under way in it is then gone, as after a crash.
//! What tests ask of it is in `asking`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_loop::config::RunDefaults;
use agent_loop::core::run::RunId;
use agent_loop::core::schedule::{Order, Policy};
use agent_loop::crash::Crash;
use agent_loop::daemon::{
    self, Cleaner, Creator, Engine, Handle, Metrics, Notifier, Notify, Planner, Request,
};
use agent_loop::effect::git::{Git, Worktrunk};
use agent_loop::effect::{AgentVersions, Over, World, until_over};
use agent_loop::store::{self, Reader, Writer};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Repository;

/// How the daemon is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub policy: Policy,
    /// What of the daemon's environment agents and checks may see; a throw-away home is added.
    pub environment: Vec<(&'static str, String)>,
    /// Where the files of new runs are kept, if not with the data.
    pub files_root: Option<PathBuf>,
    /// Who is told of events that need a person.
    pub notify: Option<Notify>,
    /// Where it dies.
    pub crash: Crash,
    /// How long its store waits for a lock that somebody else holds.
    pub busy_timeout: Duration,
    /// The Worktrunk that it finds, or none, whatever is installed.
    pub worktrunk: Option<Option<Worktrunk>>,
    /// The binary that it starts keepers and the scripted agent by, if not its own.
    pub self_exe: Option<PathBuf>,
}

impl Options {
    /// A daemon with these caps.
    pub fn caps(runs: u32, runs_of_a_workspace: u32) -> Self {
        let mut options = Options::default();
        options.policy.max_concurrent_runs = runs;
        options.policy.max_runs_per_workspace = runs_of_a_workspace;
        options
    }
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
            environment: Vec::new(),
            files_root: None,
            notify: None,
            crash: Crash::default(),
            busy_timeout: store::Options::default().busy_timeout,
            worktrunk: None,
            self_exe: None,
        }
    }
}

/// A daemon in this process.
pub struct House {
    pub data: PathBuf,
    pub handle: Handle,
    pub reader: Reader,
    pub creator: Creator,
    pub metrics: Arc<Metrics>,
    pub cleaner: Cleaner,
    pub world: Arc<World>,
    /// `None` once it is over.
    pub over: Option<Over>,
    writer: Writer,
    /// `None` once it is dead.
    runtime: Option<Runtime>,
}

impl House {
    /// A daemon of the usual kind, with its data beside the repository.
    pub async fn over(repo: &Repository) -> House {
        House::open(&repo.outside().join("data"), &Options::default()).await
    }

    /// Opens `data`, which may hold what an earlier one left.
    pub async fn open(data: &Path, options: &Options) -> House {
        std::fs::create_dir_all(data).expect("a data directory");
        let git = Git::find().await.expect("git");
        let mut git = git.dying(options.crash.clone());
        if let Some(found) = options.worktrunk.clone() {
            git = git.with_worktrunk(found);
        }
        let opening = store::Options {
            busy_timeout: options.busy_timeout,
            crash: options.crash.clone(),
        };
        let (writer, reader) = store::open(data, opening).expect("a store");
        let (until_over, over) = until_over();
        let world = Arc::new(World {
            data_dir: data.to_owned(),
            self_exe: match &options.self_exe {
                Some(exe) => exe.clone(),
                None => PathBuf::from(env!("CARGO_BIN_EXE_loopctl")),
            },
            git: git.clone(),
            writer: writer.clone(),
            reader: reader.clone(),
            environment: clean_environment(data, options),
            versions: AgentVersions::default(),
            now: daemon::now,
            postmortems: Semaphore::new(1),
            stopping: CancellationToken::new(),
            until_over,
            told: tokio::sync::watch::Sender::new(0),
            crash: options.crash.clone(),
        });
        let planner = Planner::new(options.policy.clone(), vec![data.to_owned()], 0);
        let metrics = Arc::new(Metrics::default());
        let notifier = Notifier::open(
            Arc::clone(&world),
            Arc::clone(&metrics),
            options.notify.clone(),
        );
        let notifier = notifier.await.expect("a readable store");
        let (engine, handle) = Engine::new(
            writer.clone(),
            reader.clone(),
            planner,
            Arc::clone(&world),
            Arc::clone(&metrics),
            "test".to_owned(),
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.spawn(async move { engine.run().await.expect("the engine starts") });
        if let Some(notifier) = notifier {
            runtime.spawn(notifier.run(handle.told()));
        }
        let creator = Creator {
            engine: handle.clone(),
            reader: reader.clone(),
            git: git.clone(),
            defaults: Arc::new(RunDefaults::default()),
            data_dir: data.to_owned(),
            files_root: options
                .files_root
                .as_ref()
                .map(|root| root.display().to_string()),
        };
        let cleaner = Cleaner::new(
            handle.clone(),
            reader.clone(),
            git,
            data.to_owned(),
            30,
            daemon::now,
        );
        House {
            data: data.to_owned(),
            handle,
            reader,
            creator,
            metrics,
            cleaner,
            world,
            over: Some(over),
            writer,
            runtime: Some(runtime),
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

    /// Waits until the store's writer has died at its crash point.
    pub async fn until_the_store_is_gone(&self) {
        let asked = RunId("nobody".to_owned());
        let patience = tokio::time::timeout(super::asking::PATIENCE, async {
            // Nothing is announced by a store that dies: it is asked until it does not answer.
            loop {
                let answer = self.writer.publish(&asked, Vec::new(), daemon::now()).await;
                if matches!(answer, Err(store::StoreError::Gone)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        patience.await.expect("the store dies");
    }

    /// Dies as a killed daemon does: engine and performers stop wherever they are, nothing is told, keepers go on.
    pub async fn die(mut self) {
        self.over = None;
        if let Some(runtime) = self.runtime.take() {
            // Waits until no thread of it runs any more: whatever is opened next is alone.
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(30)))
                .await
                .expect("the runtime stops");
        }
        self.writer.clone().close().await;
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.over = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
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
        "agent_timeout_sec": 1000,
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
fn clean_environment(home: &Path, options: &Options) -> Vec<(OsString, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = options.environment.iter();
    [
        ("PATH".into(), path),
        ("HOME".into(), home.into()),
        ("LANG".into(), "C.UTF-8".into()),
    ]
    .into_iter()
    .chain(more.map(|(name, value)| (name.into(), value.into())))
    .collect()
}
