//! What the world is told of a handover, derived from a move. That the run has ended or is started anew, the world hears
//! of the run itself.

use super::facts::Facts;
use super::machine::{Effect, Event, State};
use crate::core::machine::Moved;
use crate::core::run::PublicEvent;

/// What the world is told of a move. `target` is the branch that the work goes to; `rev` is the handover's after it.
pub fn public_events(
    target: &str,
    event: &Event,
    moved: &Moved<State, Facts, Effect>,
    rev: u64,
) -> Vec<PublicEvent> {
    let changed = || PublicEvent::HandoverStateChanged {
        from: moved.from,
        to: moved.to,
        event: event.name().as_str().to_owned(),
        rev,
    };
    match event {
        Event::Ended { .. } | Event::Reopened { .. } => Vec::new(),
        Event::Merge => vec![
            changed(),
            PublicEvent::MergeStarted {
                target: target.to_owned(),
            },
        ],
        Event::MergeDone { commit, .. } => vec![
            PublicEvent::MergeFinished {
                commit: commit.clone(),
            },
            changed(),
        ],
        Event::PrDone { url, .. } => vec![
            PublicEvent::PullRequestCreated { url: url.clone() },
            changed(),
        ],
        Event::Pr if moved.from == moved.to => Vec::new(),
        Event::Failed { snag, .. } => vec![
            PublicEvent::HandoverFailed {
                code: snag.code.clone(),
                message: snag.message.clone(),
            },
            changed(),
        ],
        Event::Pr | Event::Scrap | Event::ScrapDone { .. } => vec![changed()],
    }
}
