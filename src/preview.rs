//! `loopctl prompt` put together. It needs no daemon, but the daemon's own check of a request and its performers' own words,
//! which the room of the command line must not know; so it stands here, above all rooms, and the binary hands it in. The
//! request is read as the API reads it and refused in the API's words.

use crate::api::wire::CreateRun;
use crate::api::{self, ApiError};
use crate::cli::preview::{Answer, Refusal, Shown};
use crate::config::RunDefaults;
use crate::daemon;
use crate::effect::git::Git;

/// What the agent of the run that `body` asks for would be told first.
pub fn preview(body: CreateRun, defaults: RunDefaults) -> Answer {
    Box::pin(async move {
        let request = api::request(body).map_err(refusal)?;
        let git = Git::find().await.map_err(|error| refusal(error.into()))?;
        let found = daemon::preview(&git, &defaults, &request, daemon::now()).await;
        let found = found.map_err(|error| refusal(error.into()))?;
        Ok(Shown {
            prompt: found.prompt,
            warnings: found.warnings,
        })
    })
}

fn refusal(error: ApiError) -> Refusal {
    let (status, detail) = error.into_parts();
    Refusal { status, detail }
}
