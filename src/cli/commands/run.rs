//! `loopctl run [SPEC] [PLAN]`: creates a run. Everything is checked by the daemon before the run exists; this side only
//! finds the workspace, asks for the spec where none was named, and puts the flags where the daemon expects them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::output::output;
use super::picker::pick;
use super::wait::{verdict, wait};
use crate::api::wire::{CreateRun, CreatedRun, MergeStrategy, NameSource, PlanSummary, RunReply};
use crate::cli::client::request::{Call, Client};
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render;
use crate::cli::render::text::{plain, tail};
use crate::cli::settings;
use crate::cli::workspace::{inside, root_of};

/// How long the end of the output may take after the run has ended.
const REST: Duration = Duration::from_secs(10);

/// Arguments of `run`. What is left out is said by the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl run specs/login.md --verify-cmd 'cargo test' --wait")]
pub struct Arguments {
    /// What to build; asked for on a terminal when left out
    pub spec: Option<PathBuf>,
    /// The checklist [default: <plans_dir>/<spec stem>-plan.md]
    pub plan: Option<PathBuf>,
    /// Wait until the run has ended or waits for a person
    #[arg(long)]
    pub wait: bool,
    /// Wait, and show the output meanwhile
    #[arg(long)]
    pub follow: bool,
    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where its name comes from when none is given
    #[arg(long, value_name = "SOURCE", conflicts_with = "name")]
    pub name_source: Option<NameSource>,
    /// Which agent works on it
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Which model the agent uses
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How many iterations it may spend
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: Option<u32>,
    /// A command that has to pass before anything is merged; may be repeated
    #[arg(long = "verify-cmd", value_name = "COMMAND")]
    pub verify_cmds: Vec<String>,
    /// Branch to start from
    #[arg(long, value_name = "BRANCH")]
    pub base_branch: Option<String>,
    /// What the name of its own branch begins with
    #[arg(long, value_name = "PREFIX")]
    pub run_branch_prefix: Option<String>,
    /// Branch that receives the work
    #[arg(long, value_name = "BRANCH")]
    pub merge_target: Option<String>,
    /// How it receives the work
    #[arg(long, value_name = "HOW")]
    pub merge_strategy: Option<MergeStrategy>,
    /// Where its worktree goes
    #[arg(long, value_name = "TEMPLATE")]
    pub worktree_path_template: Option<String>,
    /// Higher goes first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i32>,
    /// Settings from this file, above the workspace's and below these flags
    #[arg(long, value_name = "FILE", env = "LOOP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Start only after this run has completed
    #[arg(long, value_name = "RUN")]
    pub after: Option<String>,
    /// Take spec and plan as they are now, committed or not
    #[arg(long)]
    pub snapshot: bool,
}

/// Creates the run, and waits for it where that was asked.
///
/// # Errors
/// No daemon, a request that it refuses, or a run that was waited for and did not complete.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let current =
        std::env::current_dir().map_err(|e| Error::local("find the current directory", e))?;
    let body = request(&arguments, &current)?;
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
        context.line(reply.map_err(|e| Error::local("show the run", e))?)?;
    } else if !context.global.quiet {
        context.line(render::run::line(&run))?;
    }
    verdict(&run)
}

/// The body of the request.
fn request(arguments: &Arguments, current: &Path) -> Result<CreateRun, Error> {
    let root = root_of(current);
    let spec = match &arguments.spec {
        Some(spec) => spec.clone(),
        None => {
            let config = settings::of_workspace(&root, settings::user_file().as_deref())?;
            pick(&root.join(config.specs_dir))?
        }
    };
    let text = |path: &Path| match inside(&root, current, path).into_os_string().into_string() {
        Ok(path) => Ok(path),
        Err(path) => Err(Error::Usage {
            message: format!("the path {} is not UTF-8", path.display()),
            hint: None,
        }),
    };
    let settings = overrides(arguments)?;
    Ok(CreateRun {
        spec_path: text(&spec)?,
        workspace_root: text(&root)?,
        plan_path: arguments.plan.as_deref().map(text).transpose()?,
        config_override: (!settings.is_empty()).then_some(settings),
        name: arguments.name.clone(),
        name_source: arguments.name_source,
        base_branch: arguments.base_branch.clone(),
        run_branch_prefix: arguments.run_branch_prefix.clone(),
        merge_target_branch: arguments.merge_target.clone(),
        merge_strategy: arguments.merge_strategy,
        worktree_path_template: arguments.worktree_path_template.clone(),
        agent: arguments.agent.clone(),
        priority: arguments.priority,
        after: arguments.after.clone(),
        snapshot: arguments.snapshot,
    })
}

/// What `--config` says, and above it the flags that are keys of the configuration and not fields of the request.
fn overrides(arguments: &Arguments) -> Result<Map<String, Value>, Error> {
    let mut all = match &arguments.config {
        Some(path) => settings::overrides(path)?,
        None => Map::new(),
    };
    if let Some(model) = &arguments.model {
        all.insert("model".to_owned(), Value::from(model.as_str()));
    }
    if let Some(iterations) = arguments.iterations {
        all.insert("iterations".to_owned(), Value::from(iterations));
    }
    if !arguments.verify_cmds.is_empty() {
        let commands = arguments.verify_cmds.as_slice();
        all.insert("verify_cmds".to_owned(), Value::from(commands));
    }
    Ok(all)
}

/// What the plan counts, and what it skips.
fn summary(plan: &PlanSummary, context: &mut Context) -> Result<(), Error> {
    let mut text = format!("plan: {} tasks, {} done", plan.tasks, plan.done);
    if plan.blocked > 0 {
        text.push_str(&format!(", {} blocked", plan.blocked));
    }
    if plan.human > 0 {
        text.push_str(&format!("; {} boxes for a person do not count", plan.human));
    }
    context.line(text)?;
    for skipped in &plan.skipped {
        let heading = plain(&skipped.heading);
        context.line(format!(
            "skipped: {:?} with {} boxes",
            heading, skipped.boxes
        ))?;
    }
    Ok(())
}
