//! `loopctl resume RUN`: lets a paused run go on at its old place in the queue.

use super::operate::{call, operate};
use crate::api::wire::ResumeRequest;
use crate::cli::context::Context;
use crate::cli::error::Error;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl resume login --note 'the schema is in docs/schema.md'")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
    /// Record that the evidence which holds the run was seen and is accepted
    #[arg(long)]
    pub accept: bool,
    /// Say this to the agent in its next prompt
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Sends the event.
///
/// # Errors
/// No daemon, no such run, or the machine's refusal.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let body = ResumeRequest {
        accept: arguments.accept,
        note: arguments.note,
    };
    operate(call("resume", &arguments.run).json(&body)?, context).await
}
