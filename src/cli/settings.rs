//! The configuration as this side needs it: where specs are looked for, which agents are defined, and what a file given
//! by `--config` says. The daemon reads its own copy; a run is configured there, at its base commit.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::Error;
use crate::bounded;
use crate::config::{
    DaemonSources, MOST_BYTES, RunConfig, RunDefaults, RunSources, Source, WORKSPACE_FILES,
    load_daemon, overrides_from_file, paths, resolve_run,
};

const READING: &str = "read the configuration";

/// A file of the user's that was read.
struct File {
    name: String,
    bytes: Vec<u8>,
}

impl File {
    /// `None` where there is no such file.
    fn read(path: &Path) -> Result<Option<File>, Error> {
        let name = path.display().to_string();
        match bounded::read_optional(path, MOST_BYTES) {
            Ok(bytes) => Ok(bytes.map(|bytes| File { name, bytes })),
            Err(error) => Err(Error::local(format!("read {name}"), error)),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            bytes: &self.bytes,
        }
    }
}

/// Where the user's own file is looked for; `None` when no place can be named.
pub fn user_file() -> Option<PathBuf> {
    paths::user_config_file(|name| std::env::var_os(name)).ok()
}

/// What runs get from the user's own file, as a daemon that was started without another one reads it.
///
/// # Errors
/// A file that cannot be read, or everything that is wrong in it.
pub fn defaults(user: Option<&Path>) -> Result<RunDefaults, Error> {
    let user = match user {
        Some(path) => File::read(path)?,
        None => None,
    };
    let daemon = load_daemon(&DaemonSources {
        user: user.as_ref().map(File::source),
        ..DaemonSources::default()
    });
    let daemon = daemon.map_err(|errors| Error::local(READING, errors))?;
    Ok(daemon.run_defaults)
}

/// What a run of the workspace would be configured with now: by the user's file and the workspace's, as they are on
/// disk; a missing one says nothing.
///
/// # Errors
/// A file that cannot be read, or everything that is wrong in them.
pub fn of_workspace(root: &Path, user: Option<&Path>) -> Result<RunConfig, Error> {
    let defaults = defaults(user)?;
    let mut files = Vec::new();
    for name in WORKSPACE_FILES {
        files.extend(File::read(&root.join(name))?);
    }
    let workspace: Vec<Source<'_>> = files.iter().map(File::source).collect();
    let run = resolve_run(
        &defaults,
        &RunSources {
            workspace: &workspace,
            ..RunSources::default()
        },
    );
    Ok(run.map_err(|errors| Error::local(READING, errors))?.config)
}

/// What the file given by `--config` says, in the form of a request's `config_override`.
///
/// # Errors
/// A file that is missing or cannot be read, or everything that is wrong in it.
pub fn overrides(path: &Path) -> Result<Map<String, Value>, Error> {
    let doing = format!("read the configuration {}", path.display());
    // Also a pipe: a shell gives one for `<(…)`.
    let file = match bounded::read(path, MOST_BYTES) {
        Ok(bytes) => File {
            name: path.display().to_string(),
            bytes,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Local {
                doing,
                cause: "there is no such file".to_owned(),
                hint: Some(
                    "look at --config and LOOP_CONFIG; `loopctl init --print` shows what such a file may say"
                        .to_owned(),
                ),
            });
        }
        Err(error) => return Err(Error::local(doing, error)),
    };
    let (overrides, warnings) =
        overrides_from_file(file.source()).map_err(|errors| Error::local(&doing, errors))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(overrides)
}
