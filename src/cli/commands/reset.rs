//! `loopctl reset RUN`: a new branch from today's base; the old branch is kept.

use super::operate::{call, operate};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `reset`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl reset login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Sends the event.
///
/// # Errors
/// No daemon, no such run, or the machine's refusal.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    operate(call("reset", &arguments.run), context).await
}
