//! What can go wrong between the daemon and a keeper. What goes wrong with a command is no error but part of its record.

use std::io;
use std::path::{Path, PathBuf};

/// Why a keeper could not be started, found, waited for or stopped.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The job is a mistake of the caller.
    #[error("this job cannot be run: {0}")]
    Job(String),
    /// A file that has to be there is not.
    #[error("{0} is missing")]
    Absent(PathBuf),
    /// A file of ours does not have its shape.
    #[error("{path} is not readable as what it should be: {source}; if it was edited, put it back")]
    Shape {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// The operating system refused.
    #[error("failed to {what}: {source}")]
    Os { what: String, source: io::Error },
    /// The keeper ended before it had recorded itself.
    #[error("the keeper in {dir} did not come up: {said}")]
    NotUp { dir: PathBuf, said: String },
}

impl KeeperError {
    /// For `map_err`: what was tried, and on which path.
    pub(super) fn at(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{what} {}", path.display());
        move |source| Self::Os { what, source }
    }

    /// For `map_err`: what was tried.
    pub(super) fn os(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |source| Self::Os { what, source }
    }
}
