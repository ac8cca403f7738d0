//! The command line of `loopd`, and how it logs. What the words mean is done elsewhere.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::daemon::LogLines;

/// The port that everybody expects.
pub const DEFAULT_ADDR: &str = "http://127.0.0.1:7700";

/// loopd queues runs, gives each a git worktree, and drives a coding agent until the plan is proved done.
#[derive(Debug, Parser)]
#[command(name = "loopd", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Verify the database: replay every journal row through the machine and compare.
    Check {
        /// The data directory [default: $XDG_DATA_HOME/loopd, else ~/.local/share/loopd]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Where to listen: `http://HOST:PORT` (loopback) or `unix:PATH`
    #[arg(long, value_name = "ADDR", env = "LOOPD_ADDR", default_value = DEFAULT_ADDR)]
    pub(super) addr: String,
    /// The data directory [default: $XDG_DATA_HOME/loopd, else ~/.local/share/loopd]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// A configuration file that is read after ~/.config/loopd/config.toml
    #[arg(long, value_name = "FILE", env = "LOOP_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Runs that may be active at once
    #[arg(long, value_name = "N")]
    pub(super) max_concurrent_runs: Option<u32>,
    /// Runs that may be active at once in one repository
    #[arg(long, value_name = "N")]
    pub(super) max_runs_per_workspace: Option<u32>,
    /// Order of the queue: fifo or newest_first
    #[arg(long, value_name = "POLICY")]
    pub(super) queue_policy: Option<String>,
    /// How to log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Logs to standard error, as `LOOPD_LOG` says.
pub(super) fn start_logging(format: LogFormat) {
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
