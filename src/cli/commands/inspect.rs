//! `loopctl inspect RUN`: the run, its steps, its files. With `--json` one object: the run's reply, with `steps` and
//! `artifacts` beside it.

use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde_json::Value;

use crate::api::wire::{ArtifactList, RunReply, StepList};
use crate::cli::client::call::Call;
use crate::cli::client::uri::run_path;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::{artifacts, heading, lacks, steps, whole};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl inspect 1f09a2c4")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
}

/// Fetches and prints.
///
/// # Errors
/// No daemon, or no such run.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let client = context.client().await?;
    let doing = format!("inspect run {}", arguments.run);
    let get = |run: &str, rest| client.send(Call::get(doing.clone(), run_path(run, rest)));
    let run_reply = get(&arguments.run, "").await?;
    let run = run_reply.json::<RunReply>()?.run;
    // From here on by id: the name may come to mean another run.
    let id = run.id.to_string();
    let steps_reply = get(&id, "/steps").await?;
    let artifacts_reply = get(&id, "/artifacts").await?;
    if context.global.json {
        let mut all: Value = run_reply.json()?;
        for (key, reply) in [("steps", &steps_reply), ("artifacts", &artifacts_reply)] {
            let mut part: Value = reply.json()?;
            all[key] = part[key].take();
        }
        return context.data(all.to_string());
    }
    let now = Timestamp::now();
    for line in whole(&run, now) {
        context.line(line)?;
    }
    let list = steps_reply.json::<StepList>()?.steps;
    if !list.is_empty() {
        context.line(format!("\n{}", heading("Steps")))?;
        for line in steps(&list, now).into_iter().chain(lacks(&list)) {
            context.line(line)?;
        }
    }
    let files = artifacts_reply.json::<ArtifactList>()?.artifacts;
    if !files.is_empty() {
        context.line(format!("\n{}", heading("Files")))?;
        for line in artifacts(&files) {
            context.line(line)?;
        }
    }
    Ok(())
}
