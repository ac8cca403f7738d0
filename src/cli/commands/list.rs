//! `loopctl list`: runs, newest first. Pages are fetched until the limit is met; `--json` prints one page as it came.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::api::wire::RunList;
use crate::cli::client::call::Call;
use crate::cli::client::uri::with_query;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::list;

/// The longest page that the daemon gives.
const LONGEST_PAGE: u32 = 200;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl list --status paused --workspace .")]
pub struct Arguments {
    /// Only runs in this state (queued, running, paused, … or PENDING, RUNNING, …)
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
    /// Only runs of this workspace
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Go on where a page ended (`next_cursor` of the JSON)
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// Fetches and prints.
///
/// # Errors
/// No daemon, or a state that nobody knows.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let workspace = match &arguments.workspace {
        Some(path) => Some(std::path::absolute(path).map_err(|e| Error::local("list runs", e))?),
        None => None,
    };
    let workspace = workspace.as_ref().map(|path| path.to_string_lossy());
    let client = context.client().await?;
    let mut runs = Vec::new();
    let mut cursor = arguments.cursor;
    loop {
        let left = arguments
            .limit
            .saturating_sub(u32::try_from(runs.len()).unwrap_or(u32::MAX))
            .min(LONGEST_PAGE);
        let path = with_query(
            "/runs",
            &[
                ("workspace_root", workspace.as_deref()),
                ("status", arguments.status.as_deref()),
                ("limit", Some(&left.to_string())),
                ("cursor", cursor.as_deref()),
            ],
        );
        let reply = client.send(Call::get("list runs", path)).await?;
        if context.json(&reply)? {
            return Ok(());
        }
        let page: RunList = reply.json()?;
        let empty = page.runs.is_empty();
        runs.extend(page.runs);
        cursor = page.next_cursor;
        if cursor.is_none() || empty || runs.len() >= arguments.limit as usize {
            break;
        }
    }
    if runs.is_empty() {
        if !context.global.quiet {
            context.line("no runs")?;
        }
        return Ok(());
    }
    for line in list(&runs, Timestamp::now()) {
        context.line(line)?;
    }
    if cursor.is_some() && !context.global.quiet {
        context.line("… and more; see them with a higher --limit")?;
    }
    Ok(())
}
