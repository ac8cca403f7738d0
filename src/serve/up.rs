//! A daemon that is up: the store, the engine, the notifier, the clean-up and the API are put together, serve until a signal
//! comes, and end in good order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::args::ServeArgs;
use super::settings::{crash, hostname};
use crate::api::{self, ApiState, Token};
use crate::config::LoadedDaemon;
use crate::core::step::{Confined, Confinement};
use crate::daemon::{
    self, Cleaner, Creator, DataDirLock, Engine, Metrics, Notifier, Notify, Planner,
};
use crate::effect::git::Git;
use crate::effect::{self, AgentVersions, World};
use crate::store::{self, Options};

/// Serves until it is told to end.
///
/// # Errors
/// What kept it from coming up, or broke it.
pub(super) async fn run(
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
    // However this ends, it is said before the runtime goes down.
    let (until_over, _over) = effect::until_over();
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
        until_over,
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
