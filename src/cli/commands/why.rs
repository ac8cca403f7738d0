//! `loopctl why RUN`: what the scheduler answers when it is asked why a run does not start.

use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use crate::api::wire::WhyReply;
use crate::cli::client::call::Call;
use crate::cli::client::uri::run_path;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::gates;

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl why login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Asks and prints.
///
/// # Errors
/// No daemon, or no such run.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let doing = format!("explain run {}", arguments.run);
    let call = Call::get(doing, run_path(&arguments.run, "/why"));
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    for line in gates::why(&reply.json::<WhyReply>()?, Timestamp::now()) {
        context.line(line)?;
    }
    Ok(())
}
