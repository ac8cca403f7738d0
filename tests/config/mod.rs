//! Configuration: layers, both file formats, errors, docs.

mod docs;
mod errors;
mod key_value;
mod layers;
mod paths;
mod robust;
mod table;
mod trust;

use agent_loop::config::{
    ConfigErrors, DaemonSources, LoadedDaemon, ResolvedRun, RunConfig, RunDefaults, RunSources,
    Source, load_daemon, resolve_run,
};
use serde_json::{Map, Value};

/// A file for a test.
fn file<'a>(name: &'a str, text: &'a str) -> Source<'a> {
    Source {
        name,
        bytes: text.as_bytes(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// The daemon's configuration from a user's file.
fn daemon(text: &str) -> Result<LoadedDaemon, ConfigErrors> {
    load_daemon(&DaemonSources {
        user: Some(file("/home/u/.config/loopd/config.toml", text)),
        ..DaemonSources::default()
    })
}

/// A run's configuration from one workspace file.
fn workspace(name: &str, text: &str) -> Result<ResolvedRun, ConfigErrors> {
    resolve_run(
        &RunDefaults::default(),
        &RunSources {
            workspace: &[file(name, text)],
            ..RunSources::default()
        },
    )
}

/// A run's configuration from `config_override`.
fn overridden(settings: Value) -> Result<ResolvedRun, ConfigErrors> {
    resolve_run(
        &RunDefaults::default(),
        &RunSources {
            overrides: Some(("config_override", &object(settings))),
            ..RunSources::default()
        },
    )
}

/// A run's configuration from the older format.
fn old(text: &str) -> Result<ResolvedRun, ConfigErrors> {
    workspace(".loop/config", text)
}

fn as_json(config: &RunConfig) -> Map<String, Value> {
    object(serde_json::to_value(config).expect("a config is JSON"))
}

/// The lines of the error that a text gets.
fn complaints<T: std::fmt::Debug>(result: Result<T, ConfigErrors>) -> Vec<String> {
    let error = result.expect_err("this is refused");
    error.to_string().lines().map(str::to_owned).collect()
}
