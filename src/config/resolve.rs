//! From sources to a configuration: which files are layers, in which order, and into which struct they go.
//! How a layer is read is `layer`'s, how layers override each other `merge`'s.

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::describe;
use super::key::{AGENTS, Scope};
use super::layer::{Findings, Layer, Place, Source};
use super::merge::Merged;
use super::problem::{ConfigErrors, Problem, Warning, unless_any};
use super::raw::entries_of;
use super::types::{DaemonConfig, RunConfig};

/// What the daemon is configured from; each part may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct DaemonSources<'a> {
    /// The user's `config.toml`.
    pub user: Option<Source<'a>>,
    /// The file given to `loopd --config`.
    pub explicit: Option<Source<'a>>,
    /// Flags of `loopd`, by key.
    pub flags: Option<&'a Map<String, Value>>,
}

/// What runs get when nothing nearer says otherwise: the user's layers, read and checked.
#[derive(Clone, Debug, Default)]
pub struct RunDefaults {
    layers: Vec<Layer>,
}

/// A daemon's configuration.
#[derive(Clone, Debug)]
pub struct LoadedDaemon {
    /// For the daemon itself.
    pub daemon: DaemonConfig,
    /// For the runs it creates.
    pub run_defaults: RunDefaults,
    /// To be logged.
    pub warnings: Vec<Warning>,
}

/// What one run is configured from, besides the daemon's defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunSources<'a> {
    /// Those of [`WORKSPACE_FILES`] that there are, as they are at the base commit.
    pub workspace: &'a [Source<'a>],
    /// The file given to `--config`.
    pub explicit: Option<Source<'a>>,
    /// Settings of the request or of flags, by key, and how errors name them (`config_override`).
    pub overrides: Option<(&'a str, &'a Map<String, Value>)>,
}

/// Where a workspace's configuration is looked for. The first wins: where both are, the second is not read, and a
/// warning says so.
pub const WORKSPACE_FILES: [&str; 2] = [".loop/config.toml", ".loop/config"];

/// A run's configuration.
#[derive(Clone, Debug)]
pub struct ResolvedRun {
    /// To be stored with the run.
    pub config: RunConfig,
    /// To be shown to whoever creates it.
    pub warnings: Vec<Warning>,
}

/// The daemon's configuration, and the layers that runs start from.
///
/// # Errors
/// Everything that is wrong in any of the sources.
pub fn load_daemon(sources: &DaemonSources<'_>) -> Result<LoadedDaemon, ConfigErrors> {
    let mut findings = Findings::default();
    let mut layers = Vec::new();
    for source in [sources.user, sources.explicit].into_iter().flatten() {
        layers.push(Layer::of_file(Place::Daemon, source, &mut findings));
    }
    let flags = sources.flags.map(entries_of).unwrap_or_default();
    let flags = Layer::of_entries(Place::Daemon, "flags", &flags, &mut findings);
    let mut merged = Merged::default();
    merged.put(&EMBEDDED, &mut findings);
    for layer in layers.iter().chain([&flags]) {
        merged.put(layer, &mut findings);
    }
    let Findings { problems, warnings } = findings;
    unless_any((), problems)?;
    Ok(LoadedDaemon {
        daemon: fit(merged.values(Scope::Daemon))?,
        run_defaults: RunDefaults { layers },
        warnings,
    })
}

/// One run's configuration.
///
/// # Errors
/// Everything that is wrong in any of the sources, and what is wrong with them together.
pub fn resolve_run(
    defaults: &RunDefaults,
    sources: &RunSources<'_>,
) -> Result<ResolvedRun, ConfigErrors> {
    let mut findings = Findings::default();
    let mut layers = Vec::new();
    if let Some(source) = workspace_file(sources.workspace, &mut findings) {
        layers.push(Layer::of_file(Place::Workspace, source, &mut findings));
    }
    if let Some(source) = sources.explicit {
        layers.push(Layer::of_file(Place::RunFile, source, &mut findings));
    }
    if let Some((origin, settings)) = sources.overrides {
        let entries = entries_of(settings);
        layers.push(Layer::of_entries(
            Place::Overrides,
            origin,
            &entries,
            &mut findings,
        ));
    }
    let mut merged = Merged::default();
    merged.put(&EMBEDDED, &mut findings);
    for layer in defaults.layers.iter().chain(&layers) {
        merged.put(layer, &mut findings);
    }
    merged.check_together(&mut findings);
    let Findings { problems, warnings } = findings;
    unless_any((), problems)?;
    Ok(ResolvedRun {
        config: fit(merged.values(Scope::Run))?,
        warnings,
    })
}

/// What a file says, in the form of `config_override`, for a client that sends a file's settings in a request.
///
/// # Errors
/// Everything that is wrong in the file.
pub fn overrides_from_file(
    source: Source<'_>,
) -> Result<(Map<String, Value>, Vec<Warning>), ConfigErrors> {
    let mut findings = Findings::default();
    let layer = Layer::of_file(Place::RunFile, source, &mut findings);
    unless_any((), findings.problems)?;
    let mut overrides: Map<String, Value> = layer
        .settings
        .into_iter()
        .map(|(name, setting)| (name.to_owned(), setting.value))
        .collect();
    if !layer.agents.is_empty() {
        overrides.insert(AGENTS.to_owned(), json!(layer.agents));
    }
    Ok((overrides, findings.warnings))
}

fn workspace_file<'a>(sources: &[Source<'a>], findings: &mut Findings) -> Option<Source<'a>> {
    let is_toml = |source: &&Source<'_>| source.name.ends_with(".toml");
    let chosen = sources.iter().find(is_toml).or(sources.first())?;
    for ignored in sources.iter().filter(|source| source.name != chosen.name) {
        findings.warnings.push(Problem {
            origin: ignored.name.to_owned(),
            line: None,
            key: None,
            what: format!(
                "not read, because there is {}; remove one of them",
                chosen.name
            ),
            nearest: None,
        });
    }
    Some(*chosen)
}

/// Checked values into their struct. It fails only if the table and the struct disagree, which the suite excludes.
fn fit<T: DeserializeOwned>(values: Map<String, Value>) -> Result<T, ConfigErrors> {
    serde_json::from_value(Value::Object(values)).map_err(|error| {
        ConfigErrors::from(Problem {
            origin: "key table".to_owned(),
            line: None,
            key: None,
            what: format!("does not fit its struct ({error}); please report this"),
            nearest: None,
        })
    })
}

/// The lowest layer, read from the table's own defaults as any other file is.
static EMBEDDED: LazyLock<Layer> = LazyLock::new(|| {
    let mut findings = Findings::default();
    let text = describe::defaults_text();
    let source = Source {
        name: "embedded.toml",
        bytes: text.as_bytes(),
    };
    let layer = Layer::of_file(Place::Embedded, source, &mut findings);
    assert!(
        findings.problems.is_empty(),
        "embedded defaults: {:?}",
        findings.problems
    );
    layer
});

/// The run keys' defaults, by key.
pub(super) fn embedded_run_values() -> Map<String, Value> {
    let mut merged = Merged::default();
    merged.put(&EMBEDDED, &mut Findings::default());
    merged.values(Scope::Run)
}

/// The run keys' defaults.
pub(super) fn embedded_run() -> RunConfig {
    fit(embedded_run_values()).expect("the key table fits RunConfig, as the suite shows")
}
