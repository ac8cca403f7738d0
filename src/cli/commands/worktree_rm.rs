//! `loopctl worktree-rm PATH`: a worktree that loopd made goes, when its run has ended and nothing in it can be lost.

use std::path::PathBuf;

use crate::api::wire::RemovedWorktree;
use crate::cli::client::call::Call;
use crate::cli::client::uri::with_query;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::text::plain;

/// Arguments of `worktree-rm`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl worktree-rm ../repo.run-login")]
pub struct Arguments {
    /// The worktree
    pub path: PathBuf,
}

/// Asks and tells.
///
/// # Errors
/// No daemon, or the reason why it stays.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let shown = arguments.path.display().to_string();
    let doing = format!("remove the worktree {shown}");
    let absolute = std::path::absolute(&arguments.path).map_err(|e| Error::local(&doing, e))?;
    let Some(path) = absolute.to_str() else {
        return Err(Error::local(doing, "its path is not UTF-8"));
    };
    let call = Call::delete(doing, with_query("/worktrees", &[("path", Some(path))]));
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? || context.global.quiet {
        return Ok(());
    }
    let removed = reply.json::<RemovedWorktree>()?;
    context.line(plain(&format!("{}: {}", removed.path, removed.note)))
}
