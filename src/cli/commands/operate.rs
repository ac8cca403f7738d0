//! What the operator commands have in common: one POST about one run, answered with the run.

use crate::api::wire::RunReply;
use crate::cli::client::call::Call;
use crate::cli::client::uri::run_path;
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render;

/// `POST /runs/RUN/VERB`; without a body where there is nothing to say.
pub fn call(verb: &str, run: &str) -> Call {
    let path = run_path(run, &format!("/{verb}"));
    let doing = match verb {
        "create-pr" => format!("make a pull request of run {run}"),
        "postmortem" => format!("analyze run {run}"),
        verb => format!("{verb} run {run}"),
    };
    Call::post(doing, path)
}

/// Sends it and shows where the run is now.
pub async fn operate(call: Call, context: &mut Context) -> Result<(), Error> {
    let reply = context.client().await?.send(call).await?;
    if context.json(&reply)? {
        return Ok(());
    }
    let run = reply.json::<RunReply>()?.run;
    if context.global.quiet {
        return Ok(());
    }
    context.line(render::run::line(&run))
}
