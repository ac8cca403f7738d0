//! What the daemon is told by its surroundings: the layers of its configuration, and where its data are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::args::ServeArgs;
use crate::bounded;
use crate::config::{self, DaemonSources, LoadedDaemon, Source};
use crate::crash::Crash;

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The data directory, absolute.
pub(super) fn data_dir(flag: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = config::paths::data_dir(flag, env)?;
    Ok(std::path::absolute(dir)?)
}

/// All layers, checked.
pub(super) fn load_config(args: &ServeArgs) -> anyhow::Result<LoadedDaemon> {
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

/// The user's own file. A pipe in its place is not waited for; who wants one names it by `--config`.
fn read_if_there(path: &Path) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let name = path.display().to_string();
    let bytes = bounded::read_optional(path, config::MOST_BYTES)
        .with_context(|| format!("failed to read {name}"))?;
    Ok(bytes.map(|bytes| (name, bytes)))
}

/// The data directory is its owner's alone: it holds the token and what agents said.
pub(super) fn make_private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("failed to make the data dir {}", dir.display()))
}

/// Where to die, for tests of deaths: `LOOPD_CRASH_AT`, a [`CrashPoint`](crate::crash::CrashPoint) as text.
pub(super) fn crash() -> anyhow::Result<Crash> {
    match std::env::var("LOOPD_CRASH_AT") {
        Ok(text) => Ok(Crash::at(
            text.parse().context("failed to read LOOPD_CRASH_AT")?,
        )),
        Err(_) => Ok(Crash::default()),
    }
}

/// What this machine is called.
pub(super) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
