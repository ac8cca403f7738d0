//! `loopd` put together: the one place where all rooms meet. No rule of the product lives here.
//!
//! | room | what lives there |
//! |---|---|
//! | `args` | the command line, and the log |
//! | `settings` | configuration and places |
//! | `up` | the parts of a daemon, from its start to its end |
//! | here | which of the two commands is meant |

mod args;
mod settings;
mod up;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Parser as _;

pub use args::{Args, DEFAULT_ADDR};

use self::args::{Command, ServeArgs, start_logging};
use self::settings::{data_dir, load_config, make_private};
use crate::daemon::DataDirLock;
use crate::effect;
use crate::store::{self, Options};

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
    runtime()?.block_on(up::run(args, &dir, loaded, lock))
}
