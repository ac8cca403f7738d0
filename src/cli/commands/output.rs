//! Following the output of a run: its pieces, with a heading where another step begins.

use crate::api::wire::OutputChunk;
use crate::cli::client::call::Call;
use crate::cli::client::follow::{Follow, Next};
use crate::cli::client::request::Client;
use crate::cli::client::uri::{run_path, with_query};
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render::run::word;
use crate::cli::render::style::{DIM, paint};
use crate::cli::render::text::{Pieces, step_tail};

use super::wait::has_ended;

/// Prints the output of a run as it is written: until the run has ended, or only what there is.
pub async fn output(
    client: &Client,
    run: &str,
    follow: bool,
    context: &mut Context,
) -> Result<(), Error> {
    let go_on = if follow { None } else { Some("false") };
    let path = with_query(&run_path(run, "/output"), &[("follow", go_on)]);
    let call = Call::get(format!("read the output of run {run}"), path);
    let mut stream = Follow::new(client, call);
    let mut last_step: Option<String> = None;
    let mut pieces = Pieces::default();
    loop {
        let message = match stream.next().await? {
            Next::Message(message) => message,
            Next::Closed if !follow || has_ended(client, run).await? => return Ok(()),
            // The daemon is being restarted, for example.
            Next::Closed => continue,
        };
        if context.global.json {
            context.data(&message.data)?;
            continue;
        }
        let chunk: OutputChunk = serde_json::from_str(&message.data)
            .map_err(|e| Error::local(format!("read the output of run {run}"), e))?;
        if last_step.as_ref() != Some(&chunk.step_id) {
            pieces = Pieces::default();
            if !context.global.quiet {
                let step = step_tail(&chunk.step_id);
                let heading = format!("── {} {step} ──", word(&chunk.phase));
                context.line(paint(DIM, &heading))?;
            }
            last_step = Some(chunk.step_id);
        }
        context.text(&pieces.next(&chunk.text))?;
    }
}
