//! Waiting for a run by its events: no polling. An event that may be the end is believed only when the run itself says
//! so, because a replayed one may belong to an earlier life of the run. What its end has asked for (its last files, the end
//! of its worktree) comes a moment later and without an event: the run is asked a few times more until that is done, too.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::wire::{EventRecord, Run, RunReply, Status};
use crate::cli::client::call::Call;
use crate::cli::client::follow::{Follow, Next};
use crate::cli::client::request::Client;
use crate::cli::client::sse::Message;
use crate::cli::client::uri::run_path;
use crate::cli::error::Error;
use crate::cli::render::run::why;
use crate::cli::render::text::{plain, tail};

/// How long the end of a run may take to be done, and the time between two looks: short at first, then longer.
const END: Duration = Duration::from_secs(60);
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The run as it is now.
pub async fn fetch(client: &Client, run: &str) -> Result<Run, Error> {
    let call = Call::get(format!("look at run {run}"), run_path(run, ""));
    Ok(client.send_patiently(call).await?.json::<RunReply>()?.run)
}

/// Whether the run is over.
pub async fn has_ended(client: &Client, run: &str) -> Result<bool, Error> {
    Ok(fetch(client, run).await?.status.has_ended())
}

/// What an event stream carries.
pub fn event(message: &Message) -> Result<EventRecord, Error> {
    serde_json::from_str(&message.data).map_err(|e| Error::local("understand an event", e))
}

/// Whether an event says that its run has come to rest, in this life or an earlier one.
pub fn may_rest(event: &EventRecord) -> bool {
    matches!(
        event.kind.as_str(),
        "RUN_COMPLETED" | "RUN_FAILED" | "RUN_CANCELED" | "RUN_PAUSED"
    )
}

/// Waits until the run has ended, with all that its end has asked for, or waits for a person; and returns it.
pub async fn wait(client: &Client, run: &str) -> Result<Run, Error> {
    let call = Call::get(format!("wait for run {run}"), run_path(run, "/events"));
    let mut stream = Follow::new(client, call);
    loop {
        match stream.next().await? {
            Next::Message(message) if !may_rest(&event(&message)?) => {}
            Next::Message(_) | Next::Closed => {
                let run = fetch(client, run).await?;
                if run.status == Status::Paused {
                    return Ok(run);
                }
                if run.status.has_ended() {
                    let run = settle(client, run).await?;
                    // Somebody may have started it anew meanwhile: then its next end counts.
                    if run.status.has_ended() {
                        return Ok(run);
                    }
                }
            }
        }
    }
}

/// The ended run when all is done that its end has asked for, or when the patience is over, which is said.
async fn settle(client: &Client, mut run: Run) -> Result<Run, Error> {
    let (deadline, mut pause) = (Instant::now() + END, FIRST_LOOK);
    while run.status.has_ended() && !run.settled {
        if Instant::now() >= deadline {
            tracing::warn!(
                "run {} has ended, but its last files are not written, or its worktree is not removed, after {} seconds; `loopctl inspect {0}` shows when they are (\"settled\" with --json)",
                tail(run.id),
                END.as_secs()
            );
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
        run = fetch(client, &run.id.to_string()).await?;
    }
    Ok(run)
}

/// The end of a command that waited: an error unless the run is completed.
pub fn verdict(run: &Run) -> Result<(), Error> {
    let tail = tail(run.id);
    let hint = match run.status {
        Status::Completed => return Ok(()),
        Status::Paused => format!("see `loopctl inspect {tail}`, then `loopctl resume {tail}`"),
        Status::Pending | Status::Running | Status::Failed | Status::Canceled => {
            format!("see `loopctl inspect {tail}`, then `loopctl retry {tail}`")
        }
    };
    let why = match why(run) {
        why if why.is_empty() => run.state.clone(),
        why => format!("{} ({why})", run.state),
    };
    Err(Error::NotCompleted {
        run: tail,
        why: plain(&why),
        hint: Some(hint),
    })
}
