//! `loopctl retry RUN`: a failed or canceled run starts again on its own branch, with fresh budgets and a new place. With
//! `--merge-strategy`, a completed run that was not merged, too: its checks run again, and then it merges.

use super::operate::{call, operate};
use crate::api::wire::{MergeStrategy, RetryRequest};
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl retry 1f09a2c4 --merge-strategy squash")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
    /// From now on, bring the work to its target like this
    #[arg(long, value_name = "HOW")]
    pub merge_strategy: Option<MergeStrategy>,
}

/// Sends the event.
///
/// # Errors
/// No daemon, no such run, or the machine's refusal.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let body = RetryRequest {
        merge_strategy: arguments.merge_strategy,
    };
    operate(call("retry", &arguments.run).json(&body)?, context).await
}
