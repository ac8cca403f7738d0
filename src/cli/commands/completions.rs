//! `loopctl completions SHELL`: a completion script, made from the same tree as the parser.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::error::Error;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: loopctl completions bash > ~/.local/share/bash-completion/completions/loopctl"
)]
pub struct Arguments {
    /// For which shell
    pub shell: Shell,
}

/// Prints.
///
/// # Errors
/// Standard output is gone or full.
pub fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "loopctl", &mut script);
    context.text(&String::from_utf8_lossy(&script))
}
