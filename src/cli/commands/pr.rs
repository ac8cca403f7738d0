//! `loopctl pr RUN`: the branch of an ended run is pushed, and the command line of its forge makes a pull request.

use super::operate::{call, operate};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `pr`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl pr login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Sends the event, and waits for what becomes of it.
///
/// # Errors
/// No daemon, no such run, the table's refusal, or a remote, a command or an account that is missing.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    operate(call("create-pr", &arguments.run), context).await
}
