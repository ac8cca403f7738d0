//! `loopd` put together: the one place where all rooms meet. Arguments, configuration, the lock, the store, the engine,
//! the listener, signals, and an orderly end. No rule of the product lives here.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::api::{self, ApiState, Token};
use crate::bounded;
use crate::config::{self, DaemonSources, LoadedDaemon, Source};
use crate::core::step::{Confined, Confinement};
use crate::crash::Crash;
use crate::daemon::{
    self, Cleaner, Creator, DataDirLock, Engine, LogLines, Metrics, Notifier, Notify, Planner,
};
use crate::effect::git::Git;
use crate::effect::{self, AgentVersions, World};
use crate::store::{self, Options};

/// The port that everybody expects.
pub const DEFAULT_ADDR: &str = "http://127.0.0.1:7700";

/// loopd queues runs, gives each a git worktree, and drives a coding agent until the plan is proved done.
#[derive(Debug, Parser)]
#[command(name = "loopd", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify the database: replay every journal row through the machine and compare.
    Check {
        /// The data directory [default: $XDG_DATA_HOME/loopd, else ~/.local/share/loopd]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Where to listen: `http://HOST:PORT` (loopback) or `unix:PATH`
    #[arg(long, value_name = "ADDR", env = "LOOPD_ADDR", default_value = DEFAULT_ADDR)]
    addr: String,
    /// The data directory [default: $XDG_DATA_HOME/loopd, else ~/.local/share/loopd]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A configuration file that is read after ~/.config/loopd/config.toml
    #[arg(long, value_name = "FILE", env = "LOOP_CONFIG")]
    config: Option<PathBuf>,
    /// Runs that may be active at once
    #[arg(long, value_name = "N")]
    max_concurrent_runs: Option<u32>,
    /// Runs that may be active at once in one repository
    #[arg(long, value_name = "N")]
    max_runs_per_workspace: Option<u32>,
    /// Order of the queue: fifo or newest_first
    #[arg(long, value_name = "POLICY")]
    queue_policy: Option<String>,
    /// How to log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// The hidden subcommand under which any of our binaries is the daemon; the demo needs no second binary.
pub const LOOPD_SUBCOMMAND: &str = "__loopd";

/// Runs `loopd` if the arguments (the program's name first) ask for it by the hidden subcommand; its exit code.
pub fn hidden(args: impl IntoIterator<Item = OsString>) -> Option<i32> {
    let mut args = args.into_iter();
    let name = args.next()?;
    let asked = args.next()? == LOOPD_SUBCOMMAND;
    asked.then(|| main(std::iter::once(name).chain(args)))
}

/// Runs `loopd` with these arguments, the program's name first; the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return error.exit_code();
        }
    };
    let done = match args.command {
        Some(Command::Check { data_dir }) => check(data_dir.as_deref()),
        None => serve(&args.serve).map(|()| 0),
    };
    done.unwrap_or_else(|error| {
        // When even standard error is gone, the exit code has to do.
        let _ = writeln!(std::io::stderr(), "loopd: {error:#}");
        1
    })
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn data_dir(flag: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = config::paths::data_dir(flag, env)?;
    Ok(std::path::absolute(dir)?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

/// `loopd check`: 0 when the journal explains every row, 1 when it does not.
fn check(flag: Option<&Path>) -> anyhow::Result<i32> {
    let dir = data_dir(flag)?;
    if !store::is_there(&dir)? {
        bail!(
            "there is no database in {}; name its directory with --data-dir",
            dir.display()
        );
    }
    runtime()?.block_on(async {
        let reader = store::open_reading(&dir, Options::default())?;
        let violations = reader.replay().await?;
        let mut out = std::io::stdout().lock();
        for violation in &violations {
            writeln!(out, "{violation}").context("failed to say what was found")?;
        }
        if violations.is_empty() {
            let file = store::file(&dir);
            let file = file.display();
            writeln!(out, "{file}: every row is explained by the journal")
                .context("failed to say what was found")?;
        }
        Ok(i32::from(!violations.is_empty()))
    })
}

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    start_logging(args.log_format);
    let loaded = load_config(args)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let dir = data_dir(args.data_dir.as_deref())?;
    make_private(&dir)?;
    if let Some(root) = &loaded.daemon.global_log_dir {
        effect::prepare_root(Path::new(root)).with_context(|| {
            format!("failed to keep files of runs in the global_log_dir {root}")
        })?;
    }
    let lock = DataDirLock::take(&dir)?;
    runtime()?.block_on(run(args, &dir, loaded, lock))
}

async fn run(
    args: &ServeArgs,
    dir: &Path,
    loaded: LoadedDaemon,
    mut lock: DataDirLock,
) -> anyhow::Result<()> {
    // First of all: a signal while the daemon comes up ends it in good order, too.
    let mut signals = [
        signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?,
        signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?,
    ];
    let LoadedDaemon {
        daemon,
        run_defaults,
        ..
    } = loaded;
    let wanted = api::wanted_descriptors();
    let open_files = effect::raise_descriptors(wanted);
    if open_files < wanted {
        tracing::warn!(
            open_files,
            wanted,
            "few open files are allowed, so that fewer clients are served; raise the hard limit (`ulimit -Hn`, LimitNOFILE=)"
        );
    }
    let listener = api::Listener::bind(&args.addr)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let addr = listener.address().unwrap_or_else(|_| args.addr.clone());
    lock.sign(&addr)
        .with_context(|| format!("failed to sign the lock of {}", dir.display()))?;
    let crash = crash()?;
    let git = Git::find()
        .await?
        .with_scratch(&dir.join("scratch"))?
        .dying(crash.clone());
    let (writer, reader) = store::open(
        dir,
        Options {
            crash: crash.clone(),
            ..Options::default()
        },
    )?;
    let metrics = Arc::new(Metrics::default());
    let policy = daemon.policy();
    let world = Arc::new(World {
        data_dir: dir.to_owned(),
        self_exe: PathBuf::from(crate::effect::keeper::SELF_EXE),
        git: git.clone(),
        writer: writer.clone(),
        reader: reader.clone(),
        environment: std::env::vars_os().collect(),
        versions: AgentVersions::default(),
        now: daemon::now,
        postmortems: Semaphore::new(1),
        stopping: CancellationToken::new(),
        told: tokio::sync::watch::Sender::new(0),
        crash,
    });
    let disks = std::iter::once(dir.to_owned())
        .chain(daemon.global_log_dir.as_ref().map(PathBuf::from))
        .collect();
    let planner = Planner::new(policy.clone(), disks, daemon.min_free_disk_mb);
    let notify = daemon.notify.clone().map(Notify::new);
    let notifier = Notifier::open(Arc::clone(&world), Arc::clone(&metrics), notify).await?;
    let worker = format!("{}-{}", hostname(), std::process::id());
    let (engine, handle) = Engine::new(
        writer.clone(),
        reader.clone(),
        planner,
        world,
        Arc::clone(&metrics),
        worker,
    );
    let engine = tokio::spawn(engine.run());
    if let Some(notifier) = notifier {
        // Ends with the runtime; the next daemon takes up what was under way.
        tokio::spawn(notifier.run(handle.told()));
    }
    let shutdown = CancellationToken::new();
    let cleaner = Cleaner::new(
        handle.clone(),
        reader.clone(),
        git.clone(),
        dir.to_owned(),
        daemon.retention_days,
        daemon::now,
    );
    tokio::spawn(cleaner.clone().keep_clean(shutdown.clone()));
    let state = ApiState {
        cleaner,
        engine: handle.clone(),
        creator: Creator {
            engine: handle.clone(),
            reader: reader.clone(),
            git,
            defaults: Arc::new(run_defaults),
            data_dir: dir.to_owned(),
            files_root: daemon.global_log_dir.clone(),
        },
        reader: reader.clone(),
        metrics,
        policy,
        token: Token::load_or_create(dir)?,
        allowed_hosts: daemon.allowed_hosts.clone(),
        callers_are_told_apart: tell_callers(),
        data_dir: dir.to_owned(),
        now: daemon::now,
        shutdown: shutdown.clone(),
    };
    tell_confinement(&crate::effect::confine::trial());
    tracing::info!(%addr, data_dir = %dir.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    let serving = tokio::spawn(api::serve(listener, api::router(state), shutdown.clone()));
    let why = wait_for_end(engine, &mut signals).await?;
    tracing::info!(why, "ending");
    tokio::select! {
        () = handle.drain(daemon.shutdown) => {}
        again = told_to_end(&mut signals) => {
            tracing::warn!(again, "ending at once: steps that were not ended yet go on under their keepers");
        }
    }
    shutdown.cancel();
    serving.await.context("the listener failed")??;
    writer.close().await;
    Ok(())
}

/// Says how far this machine can confine a step.
fn tell_confinement(found: &Confinement) {
    let (landlock_abi, lacks) = (found.landlock_abi, found.lacks.join("; "));
    match found.level {
        Confined::Full => tracing::info!(landlock_abi, "steps can be confined"),
        Confined::Partial => tracing::warn!(landlock_abi, lacks, "steps can be confined in part"),
        Confined::None | Confined::Off => tracing::warn!(lacks, "steps cannot be confined"),
    }
}

/// Whether commands from within a step can be told from others, and says so where they cannot.
fn tell_callers() -> bool {
    let told = crate::effect::caller::are_told_apart();
    if !told {
        tracing::warn!(
            "this machine does not tell which process asks over TCP, so that a step can command loopd; listen at unix:PATH"
        );
    }
    told
}

/// Waits for a signal. An engine that ends by itself is a failure of the daemon.
async fn wait_for_end(
    engine: tokio::task::JoinHandle<Result<(), store::StoreError>>,
    signals: &mut [Signal; 2],
) -> anyhow::Result<&'static str> {
    tokio::select! {
        name = told_to_end(signals) => Ok(name),
        ended = engine => {
            ended.context("the engine failed")?.context("the engine failed")?;
            bail!("the engine ended by itself")
        }
    }
}

/// Waits for the next signal that ends the daemon; its name.
async fn told_to_end([term, int]: &mut [Signal; 2]) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_env("LOOPD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogLines(std::io::stderr()))
        // It would be told on standard error, and a daemon whose log takes nothing would panic on a full disk.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn load_config(args: &ServeArgs) -> anyhow::Result<LoadedDaemon> {
    let user = read_if_there(&config::paths::user_config_file(env).unwrap_or_default())?;
    let explicit = match &args.config {
        Some(path) => Some((
            path.display().to_string(),
            bounded::read(path, config::MOST_BYTES)
                .with_context(|| format!("failed to read {}", path.display()))?,
        )),
        None => None,
    };
    let mut flags = Map::new();
    let mut flag = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            flags.insert(key.to_owned(), value);
        }
    };
    flag(
        "max_concurrent_runs",
        args.max_concurrent_runs.map(Value::from),
    );
    flag(
        "max_runs_per_workspace",
        args.max_runs_per_workspace.map(Value::from),
    );
    flag("queue_policy", args.queue_policy.clone().map(Value::from));
    Ok(config::load_daemon(&DaemonSources {
        user: user.as_ref().map(|(name, bytes)| Source { name, bytes }),
        explicit: explicit
            .as_ref()
            .map(|(name, bytes)| Source { name, bytes }),
        flags: Some(&flags),
    })?)
}

fn read_if_there(path: &Path) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    match bounded::read(path, config::MOST_BYTES) {
        Ok(bytes) => Ok(Some((path.display().to_string(), bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// The data directory is its owner's alone: it holds the token and what agents said.
fn make_private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("failed to make the data dir {}", dir.display()))
}

/// Where to die, for tests of deaths: `LOOPD_CRASH_AT`, a [`CrashPoint`](crate::crash::CrashPoint) as text.
fn crash() -> anyhow::Result<Crash> {
    match std::env::var("LOOPD_CRASH_AT") {
        Ok(text) => Ok(Crash::at(
            text.parse().context("failed to read LOOPD_CRASH_AT")?,
        )),
        Err(_) => Ok(Crash::default()),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
