//! `loopctl tail RUN`: the output of a run's steps, one after the other. `-f` goes on until the run has ended and
//! resumes by itself after a broken connection.

use super::output::output;
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl tail -f login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
    /// Go on until the run has ended
    #[arg(short, long)]
    pub follow: bool,
}

/// Prints.
///
/// # Errors
/// No daemon, no such run, or a daemon that stays away.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let client = context.client().await?;
    output(&client, &arguments.run, arguments.follow, context).await
}
