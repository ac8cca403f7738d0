//! `loopctl analyze [RUN]`: has an ended run explained, waits for it, prints the summary and says where the reports are.
//! Without RUN it is the run that ended last. With `--json` one object: the run's reply, with its reports beside it.

use clap::builder::NonEmptyStringValueParser;
use std::path::Path;

use serde_json::{Value, json};

use super::operate;
use super::wait::{event, fetch};
use crate::api::wire::{Artifact, ArtifactList, Postmortem, Run, RunList, RunReply};
use crate::cli::client::call::Call;
use crate::cli::client::follow::{Follow, Next};
use crate::cli::client::request::Client;
use crate::cli::client::uri::{run_path, with_query};
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::heading;
use crate::cli::render::text::{Pieces, plain, tail};

/// Runs of each end that are looked at for the one that ended last.
const LOOKED_AT: &str = "200";

/// Arguments of `analyze`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl analyze login")]
pub struct Arguments {
    /// The run: id, unique prefix or suffix of it, or name; without it, the run that ended last
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: Option<String>,
}

/// Asks, waits and prints.
///
/// # Errors
/// No daemon, no such run, a run that has not ended, or an agent that could not report.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let client = context.client().await?;
    let run = match arguments.run {
        Some(run) => run,
        None => last_ended(&client).await?,
    };
    let asked = client.send(operate::call("postmortem", &run)).await?;
    // From here on by id: the name may come to mean another run.
    let run = asked.json::<RunReply>()?.run;
    let id = run.id.to_string();
    if !context.global.json && !context.global.quiet {
        let tail = tail(run.id);
        context.line(format!(
            "{tail} is being analyzed; that goes on if you leave"
        ))?;
    }
    let (run, postmortem) = wait(&client, &id).await?;
    let doing = format!("list the reports of run {id}");
    let call = Call::get(doing, run_path(&id, "/artifacts"));
    let files = client.send_patiently(call).await?.json::<ArtifactList>()?;
    let mut reports = files.artifacts;
    reports.retain(|it| it.kind == "analysis");
    if context.global.json {
        let run = serde_json::to_value(&run).map_err(|e| Error::local("print the run", e))?;
        let all: Value = json!({ "run": run, "reports": reports });
        context.data(all.to_string())?;
    } else {
        show(&reports, &postmortem, context)?;
    }
    match postmortem.failure {
        None => Ok(()),
        Some(why) => Err(Error::Local {
            doing: format!("get the agent's report on run {}", tail(run.id)),
            cause: plain(&why),
            hint: Some(
                "the summary needs no agent and is written; ask again for the report".into(),
            ),
        }),
    }
}

/// The run that ended last.
async fn last_ended(client: &Client) -> Result<String, Error> {
    let mut last: Option<Run> = None;
    for status in ["COMPLETED", "FAILED", "CANCELED"] {
        let query = [("status", Some(status)), ("limit", Some(LOOKED_AT))];
        let call = Call::get("look for the last run", with_query("/runs", &query));
        let page: RunList = client.send(call).await?.json()?;
        last = last
            .into_iter()
            .chain(page.runs)
            .max_by_key(|run| run.ended_at);
    }
    last.map(|run| run.id.to_string())
        .ok_or_else(|| Error::Usage {
            message: "no run has ended yet".to_owned(),
            hint: Some(
                "`loopctl list` shows the runs; `loopctl analyze RUN` explains an ended one".into(),
            ),
        })
}

/// Waits until the analysis is over.
async fn wait(client: &Client, id: &str) -> Result<(Run, Postmortem), Error> {
    let call = Call::get(
        format!("wait for the analysis of run {id}"),
        run_path(id, "/events"),
    );
    let mut stream = Follow::new(client, call);
    loop {
        // An event is believed only when the run itself says so: a replayed one may be of an earlier analysis.
        match stream.next().await? {
            Next::Message(message) if event(&message)?.kind != "POSTMORTEM_END" => continue,
            Next::Message(_) | Next::Closed => {}
        }
        let run = fetch(client, id).await?;
        match run.postmortem.clone() {
            Some(it) if it.ended_at.is_some() => return Ok((run, it)),
            Some(_) => {}
            None => {
                return Err(Error::NotCompleted {
                    run: tail(run.id),
                    why: format!("it is {} again, and its analysis was given up", run.state),
                    hint: Some("ask again when it has ended".into()),
                });
            }
        }
    }
}

fn show(reports: &[Artifact], postmortem: &Postmortem, context: &mut Context) -> Result<(), Error> {
    let named = |name: &str| {
        let mut all = reports.iter().map(|it| Path::new(&it.path));
        all.find(|path| path.file_name().is_some_and(|it| it == name))
    };
    if let Some(path) = named("summary.md") {
        match std::fs::read_to_string(path) {
            Ok(summary) => {
                for line in Pieces::default().next(&summary).lines() {
                    context.line(line)?;
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "failed to read the summary")
            }
        }
    }
    if postmortem.written
        && let Some(path) = named("report.md")
    {
        match std::fs::read_to_string(path) {
            Ok(report) => {
                context.line(format!("\n{}", heading("The agent's report")))?;
                for line in Pieces::default().next(&report).lines() {
                    context.line(line)?;
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "failed to read the report")
            }
        }
    }
    if context.global.quiet {
        return Ok(());
    }
    context.line(format!("\n{}", heading("Files")))?;
    for report in reports {
        context.line(plain(&report.path))?;
    }
    Ok(())
}
