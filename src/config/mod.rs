//! Configuration: layers of settings, validated at the door, and the older key=value format.
//!
//! One table ([`KEYS`]) says for each key its scope, type, range, default and meaning; parsing, error texts, the docs and
//! the file of `loopctl init` come from it. Layers are functions of `(name, bytes)`: nothing here opens a file, so that a
//! workspace's file can be read at a run's base commit. Not here: what a setting leads to, whether the branches, files and
//! agents it names exist, and command-line parsing.

mod agents;
mod check;
mod choices;
mod describe;
mod form;
mod key;
mod key_value;
mod layer;
mod merge;
pub mod paths;
mod problem;
mod raw;
mod reader;
mod resolve;
mod size;
mod table;
mod toml_text;
mod types;
mod worktree_path;

pub use choices::{ArtifactMode, RunNamingMode, Sandbox, Shutdown, WorktreeProvider};
pub use describe::{TemplateFor, markdown, template};
pub use key::{Form, Key, Kind, Scope};
pub use layer::{MOST_BYTES, Source};
pub use problem::{ConfigErrors, Problem, Warning};
pub use resolve::{
    DaemonSources, LoadedDaemon, ResolvedRun, RunDefaults, RunSources, WORKSPACE_FILES,
    load_daemon, overrides_from_file, resolve_run,
};
pub use table::{KEYS, MOST_ITERATIONS};
pub use types::{AgentDefinition, DaemonConfig, RunConfig, Usd};
pub use worktree_path::{WorktreeNames, WorktreePathError, render_worktree_path};
