//! `loopctl merge RUN`: the work of a completed run that was not to merge goes to its target, where that becomes exactly
//! the tree that was verified.

use super::operate::{call, operate};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl merge login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Sends the event, and waits for what becomes of it.
///
/// # Errors
/// No daemon, no such run, the table's refusal, or what is in the way, by name.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    operate(call("merge", &arguments.run), context).await
}
