//! `loopctl man [COMMAND]`: a manual page in roff, made from the same tree as the parser.

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::error::Error;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl man run | man -l -")]
pub struct Arguments {
    /// Of this command; without it, of loopctl as a whole
    pub command: Option<String>,
}

/// Prints.
///
/// # Errors
/// A command that does not exist, or standard output is gone or full.
pub fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let mut tree = Cli::command();
    tree.build();
    let page = match &arguments.command {
        None => tree,
        Some(name) => {
            let found = tree.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| Error::Usage {
                message: format!("there is no command {name:?}"),
                hint: Some("`loopctl --help` lists them".to_owned()),
            })?;
            // The page of a command is named like git's: loopctl-run.
            found.display_name(format!("loopctl-{name}"))
        }
    };
    let mut roff = Vec::new();
    Man::new(page).render(&mut roff)?;
    context.text(&String::from_utf8_lossy(&roff))
}
