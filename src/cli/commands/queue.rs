//! `loopctl queue`: the whole schedule, as the function that decides it explains it.

use jiff::Timestamp;

use crate::api::wire::QueueReply;
use crate::cli::client::call::Call;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::gates;

/// Arguments of `queue`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl queue --json")]
pub struct Arguments {}

/// Asks and prints.
///
/// # Errors
/// No daemon.
pub async fn execute(Arguments {}: Arguments, context: &mut Context) -> Result<(), Error> {
    let call = Call::get("show the queue", "/queue");
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    for line in gates::queue(&reply.json::<QueueReply>()?, Timestamp::now()) {
        context.line(line)?;
    }
    Ok(())
}
