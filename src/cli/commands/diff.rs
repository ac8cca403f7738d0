//! `loopctl diff RUN`: what the run's branch changes against its base, as a patch that `git apply` takes. Colours only
//! on a terminal; text that is written elsewhere is left as it is.

use clap::builder::NonEmptyStringValueParser;
use std::io::IsTerminal as _;

use crate::api::wire::DiffReply;
use crate::cli::client::call::Call;
use crate::cli::client::uri::run_path;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::style::{BAD, DIM, GOOD, HEADING, paint};
use crate::cli::render::text::Pieces;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl diff login | git apply --stat")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Fetches and prints.
///
/// # Errors
/// No daemon, no such run, or a run that has no branch yet.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let doing = format!("show the diff of run {}", arguments.run);
    let call = Call::get(doing, run_path(&arguments.run, "/diff"));
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    let diff: DiffReply = reply.json()?;
    if diff.truncated {
        tracing::warn!(
            "the diff is too long and was cut; use git on the run's branch for the rest"
        );
    }
    if !std::io::stdout().is_terminal() {
        return context.raw(&diff.diff);
    }
    for line in Pieces::default().next(&diff.diff).lines() {
        context.line(match line.as_bytes() {
            [b'd', b'i', b'f', b'f', b' ', ..] => paint(HEADING, line),
            [b'@', b'@', ..] => paint(DIM, line),
            [b'+', ..] => paint(GOOD, line),
            [b'-', ..] => paint(BAD, line),
            _ => line.to_owned(),
        })?;
    }
    Ok(())
}
