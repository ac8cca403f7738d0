//! `loopctl gc`: what is left of runs that ended long ago goes, as far as nothing is lost. The daemon does the same by itself
//! once a day.

use crate::api::wire::{GcReply, GcRequest, GcRun};
use crate::cli::client::call::Call;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::text::{plain, tail};

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl gc --dry-run")]
pub struct Arguments {
    /// Only show what would go
    #[arg(long)]
    pub dry_run: bool,
}

/// Asks and tells.
///
/// # Errors
/// No daemon.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let asked = GcRequest {
        dry_run: arguments.dry_run,
    };
    let call = Call::post("clean up", "/gc").json(&asked)?;
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    let reply = reply.json::<GcReply>()?;
    for problem in &reply.problems {
        tracing::warn!("{}", plain(problem));
    }
    for run in &reply.runs {
        for line in lines(run, reply.dry_run) {
            context.line(plain(&line))?;
        }
    }
    if context.global.quiet {
        return Ok(());
    }
    match (reply.retention_days, reply.runs.is_empty()) {
        (0, _) => context.line("nothing: with retention_days = 0 everything is kept for ever"),
        (days, true) => context.line(format!(
            "nothing is left of runs that ended more than {days} days ago"
        )),
        (_, false) => Ok(()),
    }
}

/// What becomes of one run, a line for each thing.
fn lines(run: &GcRun, dry_run: bool) -> Vec<String> {
    let verb = if dry_run { "would remove" } else { "removed" };
    let of = format!("{} {}", tail(run.run_id), run.run_name);
    let trees = run
        .worktrees
        .iter()
        .map(|path| format!("{verb} the worktree {path}"));
    let branches = run.branches.iter().map(|branch| match &branch.rescue {
        Some(rescue) => format!(
            "{verb} the branch {}; its commits are kept by {rescue}",
            branch.name
        ),
        None => format!("{verb} the branch {}", branch.name),
    });
    let files = run.files.then(|| format!("{verb} its files"));
    let kept = run.kept.iter().map(|why| format!("kept {why}"));
    let all = trees.chain(branches).chain(files).chain(kept);
    all.map(|what| format!("{of}: {what}")).collect()
}
