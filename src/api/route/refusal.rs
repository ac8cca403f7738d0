//! A person's event that the tables refuse: their own words, and what they allow where the run stands. A run that has
//! ended has two tables, its own and that of its handover, and both are read here; no state and no rule is known.

use axum::http::StatusCode;

use crate::api::error::ApiError;
use crate::core::handover;
use crate::core::machine::{Cell, Source};
use crate::core::run::{EventName, State as RunState, cell};
use crate::store::{StoredHandover, StoredRun};

/// The table's own words to the event `name`.
pub(super) fn refused(
    run: &StoredRun,
    handover: Option<&StoredHandover>,
    name: &str,
    why: &str,
) -> ApiError {
    let state = run.state.as_str();
    let stands = handover.map_or(handover::State::INITIAL, |it| it.state);
    let message = format!("{name} of run {} is refused: {why}", run.id);
    let allowed = allowed(run.state, stands);
    ApiError::new(StatusCode::CONFLICT, "refused", message).hint(match allowed.as_slice() {
        [] => format!("the run is {state}; nothing can be asked of it"),
        allowed => format!("the run is {state}; possible now: {}", allowed.join(", ")),
    })
}

/// What a person can ask of a run in this state, whose handover stands there: what leads it elsewhere, by the words of
/// `loopctl`.
fn allowed(state: RunState, stands: handover::State) -> Vec<&'static str> {
    // A run leaves its end only with the consent of its handover.
    let stays = matches!(
        handover::cell(stands, handover::EventName::Reopened),
        handover::Cell::Refused(_)
    );
    let moves = |name: EventName| match cell(state, name) {
        Cell::Moves(to) => {
            let leads_away = to.iter().any(|to| *to != state);
            name.source() == Source::Operator && leads_away && !stays
        }
        Cell::Refused(_) | Cell::Ignored(_) => false,
    };
    let of_run = EventName::ALL.iter().filter_map(|name| match name {
        EventName::RetryMerge if moves(EventName::Retry) => None,
        EventName::RetryMerge => moves(*name).then_some("retry --merge-strategy"),
        other => moves(*other).then(|| other.as_str()),
    });
    let of_handover =
        handover::EventName::ALL
            .iter()
            .filter(|name| match handover::cell(stands, **name) {
                handover::Cell::Moves(_) => name.source() == Source::Operator,
                handover::Cell::Refused(_) | handover::Cell::Ignored(_) => false,
            });
    of_run
        .chain(of_handover.map(|name| name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::handover::State;

    #[test]
    fn what_is_possible_is_what_the_tables_say() {
        let none = State::None;
        assert_eq!(allowed(RunState::Queued, none), ["pause", "cancel"]);
        assert_eq!(
            allowed(RunState::Paused, none),
            ["resume", "cancel", "reset"]
        );
        assert_eq!(
            allowed(RunState::Failed, State::GivenUp),
            ["retry", "reset", "pr", "scrap"]
        );
        assert!(allowed(RunState::Merging, none).is_empty());
        assert_eq!(
            allowed(RunState::Completed, State::Proved),
            ["retry --merge-strategy", "merge", "pr", "scrap"]
        );
        assert_eq!(allowed(RunState::Completed, State::Merged), ["pr", "scrap"]);
        assert!(allowed(RunState::Failed, State::Scrapped).is_empty());
        assert!(allowed(RunState::Failed, State::Scrapping).is_empty());
    }
}
