//! `loopctl prompt [SPEC] [PLAN]`: prints exactly what the agent would be told first, without a daemon, and without making
//! anything. Who puts the prompt together stands outside of this room ([`super::super::preview`]).

use std::io::IsTerminal as _;

use serde_json::json;

use super::wanted::Wanted;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::text::{Pieces, plain};
use crate::cli::settings;

/// Arguments of `prompt`: those of `run` that decide what the run is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl prompt specs/login.md --verify-cmd 'cargo test' | less")]
pub struct Arguments {
    /// What the run would be.
    #[command(flatten)]
    pub wanted: Wanted,
}

/// Prints; on a terminal without what would command it.
///
/// # Errors
/// Whatever `run` would be refused for, and a template that cannot be used.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let request = arguments.wanted.request()?;
    let defaults = settings::defaults(settings::user_file().as_deref())?;
    let shown = (context.preview)(request, defaults).await;
    let shown = shown.map_err(|refusal| Error::Refused {
        doing: "make the prompt".to_owned(),
        status: refusal.status,
        detail: refusal.detail,
    })?;
    if context.global.json {
        let all = json!({ "prompt": shown.prompt, "warnings": shown.warnings });
        return context.data(all.to_string());
    }
    for warning in &shown.warnings {
        tracing::warn!("{}", plain(warning));
    }
    if std::io::stdout().is_terminal() {
        return context.text(&Pieces::default().next(&shown.prompt));
    }
    context.raw(&shown.prompt)
}
