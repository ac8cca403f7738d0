//! `loopctl scrap RUN`: the worktree of an ended run is removed, with proof that nothing is lost; its branch stays until
//! the clean-up.

use super::operate::{call, operate};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `scrap`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl scrap 1f09a2c4")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Sends the event, and waits for what becomes of it.
///
/// # Errors
/// No daemon, no such run, the table's refusal, or what would be lost, by name.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    operate(call("scrap", &arguments.run), context).await
}
