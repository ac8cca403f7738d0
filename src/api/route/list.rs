//! `GET /runs`: newest first, in pages. The cursor is a run's number, so that a page is the same however many runs are
//! created meanwhile, and as quick on the last page as on the first.

use std::path::Path;

use axum::Json;
use axum::extract::State;

use super::{settled, why};
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::state::{App, Shared};
use crate::api::view;
use crate::api::wire::{ErrorBody, ListQuery, RunList};
use crate::core::run::State as RunState;
use crate::effect::git::{GitErrorKind, Repo};
use crate::store::{Filter, StoredRun};

/// The length of a page when none is asked for, and the longest.
const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// Runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", params(ListQuery),
    responses((status = 200, body = RunList), (status = 422, body = ErrorBody, description = "A parameter is unknown or out of range")))]
pub(super) async fn list(
    State(app): State<Shared>,
    Query(query): Query<ListQuery>,
) -> Result<Json<RunList>, ApiError> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(wrong(
            "limit",
            format!("{limit} is not between 1 and {LONGEST_PAGE}"),
        ));
    }
    let before = match &query.cursor {
        Some(cursor) => {
            let number = cursor
                .parse()
                .map_err(|_| wrong("cursor", format!("{cursor:?} is no `next_cursor`")))?;
            Some(number)
        }
        None => None,
    };
    let mut filter = Filter {
        before,
        limit,
        ..Filter::default()
    };
    if let Some(status) = &query.status {
        filter.states = states(status)?;
    }
    if let Some(given) = &query.workspace_root {
        of_workspace(&app, given, &mut filter).await?;
    }
    let page = app.state.reader.list(filter).await?;
    let handed = |run: &StoredRun| page.handovers.iter().find(|it| it.run_id == run.id);
    let runs = page.runs.iter().map(|run| view::run(run, handed(run)));
    let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
    settled::look(&app, &mut runs).await?;
    why::add_gates(&app, &mut runs).await;
    Ok(Json(RunList {
        runs,
        next_cursor: page.next.map(|number| number.to_string()),
    }))
}

fn wrong(parameter: &str, what: String) -> ApiError {
    ApiError::invalid(
        "invalid_query",
        format!("the query is not understood: {parameter}: {what}"),
    )
}

/// The states that a word means. Capitals are the earlier system's: `RUNNING` is every active state, `running` one of them.
fn states(word: &str) -> Result<Vec<RunState>, ApiError> {
    let one = word.parse::<RunState>().map(|state| vec![state]);
    let several: &[RunState] = match word {
        "PENDING" => &[RunState::Queued],
        "RUNNING" => &[
            RunState::Running,
            RunState::Verifying,
            RunState::Watchdog,
            RunState::Merging,
        ],
        "PAUSED" => &[RunState::Paused],
        "COMPLETED" => &[RunState::Completed],
        "FAILED" => &[RunState::Failed],
        "CANCELED" => &[RunState::Canceled],
        _ => {
            return one.map_err(|unknown| {
                wrong("status", unknown.to_string())
                    .hint("PENDING, RUNNING, PAUSED, COMPLETED, FAILED and CANCELED are understood as well")
            });
        }
    };
    Ok(several.to_vec())
}

/// Any path inside a repository means all runs of that repository. One that is gone is looked for as it was given.
async fn of_workspace(app: &App, given: &str, filter: &mut Filter) -> Result<(), ApiError> {
    let path = Path::new(given);
    if !path.is_absolute() || given.contains('\0') {
        return Err(wrong(
            "workspace_root",
            format!("{given:?} is not an absolute path"),
        ));
    }
    match Repo::open(&app.state.creator.git, path).await {
        Ok(repo) => filter.workspace_key = Some(repo.common_dir.to_string_lossy().into_owned()),
        Err(error) => match error.kind {
            GitErrorKind::MissingRepo => filter.workspace_root = Some(given.to_owned()),
            GitErrorKind::Permanent
            | GitErrorKind::Transient
            | GitErrorKind::NoSpace
            | GitErrorKind::ReadOnly
            | GitErrorKind::Denied
            | GitErrorKind::Held => {
                return Err(error.into());
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_own_word_and_by_one_of_the_earlier_system() {
        let words = [
            "PENDING",
            "RUNNING",
            "PAUSED",
            "COMPLETED",
            "FAILED",
            "CANCELED",
        ];
        for state in RunState::ALL {
            let own = states(state.as_str()).expect("a state");
            assert_eq!(own, [*state]);
            let earlier = words.iter().filter(|word| {
                let meant = states(word).expect("a word");
                meant.contains(state)
            });
            assert_eq!(earlier.count(), 1, "{state}");
        }
        assert!(states("Running").is_err());
    }
}
