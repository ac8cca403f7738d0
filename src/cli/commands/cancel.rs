//! `loopctl cancel RUN`: ends it for good, unless a person retries or resets it.

use super::operate::{call, operate};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `cancel`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl cancel 1f09a2c4")]
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
    operate(call("cancel", &arguments.run), context).await
}
