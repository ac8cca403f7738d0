//! `loopctl worktrees`: what loopd made for runs, whose it is, and whether it could be removed now.

use crate::api::wire::WorktreeList;
use crate::cli::client::call::Call;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::text::plain;
use crate::cli::render::worktrees;

/// Arguments of `worktrees`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: loopctl worktrees --json | jq '.worktrees[] | select(.removable) | .path'"
)]
pub struct Arguments {}

/// Asks and prints.
///
/// # Errors
/// No daemon.
pub async fn execute(Arguments {}: Arguments, context: &mut Context) -> Result<(), Error> {
    let call = Call::get("list the worktrees", "/worktrees");
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    let list = reply.json::<WorktreeList>()?;
    for problem in &list.problems {
        tracing::warn!("{}", plain(problem));
    }
    if list.worktrees.is_empty() && list.strays.is_empty() {
        if !context.global.quiet {
            context.line("no worktrees")?;
        }
        return Ok(());
    }
    for line in worktrees::lines(&list) {
        context.line(line)?;
    }
    Ok(())
}
