//! `loopctl run [SPEC] [PLAN]`: creates a run, and waits for it where that was asked. Everything is checked by the daemon
//! before the run exists.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use tokio::time::timeout;

use super::output::output;
use super::wait::{verdict, wait};
use super::wanted::Wanted;
use crate::api::wire::{CreateRun, CreatedRun, PlanSummary, RunReply};
use crate::cli::client::call::Call;
use crate::cli::client::request::Client;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render;
use crate::cli::render::text::{plain, tail};
use crate::core::words::several;

/// How long the end of the output may take after the run has ended.
const REST: Duration = Duration::from_secs(10);

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl run specs/login.md --verify-cmd 'cargo test' --wait")]
pub struct Arguments {
    /// What the run is to be.
    #[command(flatten)]
    pub wanted: Wanted,
    /// Wait until the run has ended or waits for a person
    #[arg(long)]
    pub wait: bool,
    /// Wait, and show the output meanwhile
    #[arg(long)]
    pub follow: bool,
    /// Higher goes first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i32>,
    /// Start only after this run has completed
    #[arg(long, value_name = "RUN", value_parser = NonEmptyStringValueParser::new())]
    pub after: Option<String>,
}

/// Creates the run, and waits for it where that was asked.
///
/// # Errors
/// No daemon, a request that it refuses, or a run that was waited for and did not complete.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let body = CreateRun {
        priority: arguments.priority,
        after: arguments.after.clone(),
        ..arguments.wanted.request()?
    };
    let call = Call::post("create the run", "/runs")
        .json(&body)?
        .idempotent();
    let client = context.client().await?;
    let reply = client.send(call).await?;
    let waits = arguments.wait || arguments.follow;
    if context.global.json && !waits {
        context.json(&reply)?;
        return Ok(());
    }
    let created: CreatedRun = reply.json()?;
    for warning in &created.warnings {
        tracing::warn!("{}", plain(warning));
    }
    if !context.global.json {
        if context.global.quiet {
            context.line(created.run.id.to_string())?;
        } else {
            context.line(render::run::line(&created.run))?;
            summary(&created.plan, context)?;
        }
    }
    if !waits {
        return Ok(());
    }
    let id = created.run.id.to_string();
    let finish = attend(&client, &id, arguments.follow, context);
    tokio::select! {
        finished = finish => finished,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|e| Error::local("wait for an interrupt", e))?;
            Err(Error::Interrupted { run: tail(created.run.id) })
        }
    }
}

/// Waits, showing the output meanwhile where that was asked, and ends as the run ended.
async fn attend(
    client: &Client,
    id: &str,
    follow: bool,
    context: &mut Context,
) -> Result<(), Error> {
    let run = if follow {
        let shown = output(client, id, true, context);
        let waiting = wait(client, id);
        tokio::pin!(shown, waiting);
        tokio::select! {
            shown = &mut shown => {
                shown?;
                waiting.await?
            }
            run = &mut waiting => {
                let run = run?;
                if run.status.has_ended() {
                    // What was written last may still be on its way; the daemon closes the stream behind it.
                    if let Ok(shown) = timeout(REST, shown).await {
                        shown?;
                    }
                }
                run
            }
        }
    } else {
        wait(client, id).await?
    };
    if context.global.json {
        let reply = serde_json::to_string(&RunReply { run: run.clone() });
        context.data(reply.map_err(|e| Error::local("show the run", e))?)?;
    } else if !context.global.quiet {
        context.line(render::run::line(&run))?;
    }
    verdict(&run)
}

/// What the plan counts, and what it skips.
fn summary(plan: &PlanSummary, context: &mut Context) -> Result<(), Error> {
    let tasks = several(plan.tasks, "task", "tasks");
    let mut text = format!("plan: {tasks}, {} done", plan.done);
    if plan.blocked > 0 {
        text.push_str(&format!(", {} blocked", plan.blocked));
    }
    if plan.human > 0 {
        let boxes = several(plan.human, "box for a person does", "boxes for a person do");
        text.push_str(&format!("; {boxes} not count"));
    }
    context.line(text)?;
    for skipped in &plan.skipped {
        let heading = plain(&skipped.heading);
        context.line(format!(
            "skipped: {heading:?} with {}",
            several(skipped.boxes, "box", "boxes")
        ))?;
    }
    Ok(())
}
