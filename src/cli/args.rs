//! The command line: what every command shares. Each command's own arguments stand in its file. The same tree makes the
//! parser, the help, the man pages and the completions.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ColorChoice, Parser};

use super::client::unreachable::parse_timeout;
use super::commands::Command;

/// Drive coding agents through a spec and a plan until the work is proved done.
#[derive(Debug, Parser)]
#[command(
    name = "loopctl",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES,
    after_long_help = EXIT_CODES
)]
pub struct Cli {
    /// What every command shares.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
A run is named by its id, any unique prefix or suffix of it, or its name.

Exit codes: 0 done, 1 the request failed, 2 usage, 3 daemon unreachable, 4 not found, 5 refused in this state,
6 the run that was waited for did not complete.

Example: loopctl run specs/login.md --wait";

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the daemon listens: http://HOST:PORT or unix:PATH
    #[arg(long, global = true, env = "LOOPD_ADDR", value_name = "ADDR", default_value = DEFAULT_ADDR)]
    pub addr: String,
    /// The daemon's token; without it the token file of the data directory is read
    #[arg(
        long,
        global = true,
        env = "LOOPD_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// The daemon's data directory [default: $XDG_DATA_HOME/loopd or ~/.local/share/loopd]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print the reply as JSON, as it came
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only what was asked for
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// How long to wait for a daemon that is not there yet; 0 looks once
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = parse_timeout)]
    pub ready_timeout: Duration,
}

/// Where the daemon listens when nothing else is said.
pub const DEFAULT_ADDR: &str = "http://127.0.0.1:7700";
