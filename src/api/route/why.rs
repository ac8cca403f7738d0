//! `GET /runs/{id}/why` and `GET /queue`: what the scheduler decided, as it decided it. It is asked anew; nothing is
//! explained here a second time.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::Reference;
use crate::api::state::{App, Shared};
use crate::api::view;
use crate::api::wire::{
    ErrorBody, Gate, HeldRun, QueueReply, QueuedRun, Run, Status, WhyReply, stamp,
};
use crate::core::machine::Kind;
use crate::core::run::{RunId, State as RunState};
use crate::core::schedule::Schedule;
use crate::store::{Filter, StoredRun};

/// How often a schedule is asked for that knows the run; between two looks it may have been queued or claimed.
const LOOKS: u32 = 3;
/// Queued runs that are read at a time.
const PAGE: u32 = 200;

/// Why a run does not go on: every gate that holds a queued one, the hold of a paused one, the cause of a failed one.
#[utoipa::path(get, path = "/runs/{id}/why", tag = "queue", params(("id" = String, Path, description = "Id, unique prefix or suffix of it, or name")),
    responses((status = 200, body = WhyReply), (status = 404, body = ErrorBody)))]
pub(super) async fn why(
    State(app): State<Shared>,
    Reference(id): Reference,
) -> Result<Json<WhyReply>, ApiError> {
    let mut run = app.find(&id).await?;
    for _ in 0..LOOKS {
        if run.state.kind() != Kind::Waiting {
            break;
        }
        let schedule = app.state.engine.explain().await?;
        if let Some(held) = schedule.held.iter().find(|held| held.id == run.id.0) {
            let gates = held.gates.iter().map(view::gate).collect();
            return reply(
                &run,
                gates,
                Some(held.position),
                schedule.wake_at.map(stamp),
            );
        }
        if schedule.start.contains(&run.id.0) {
            break;
        }
        run = app.run(&run.id).await?;
    }
    let mut gates: Vec<Gate> = own_reason(&run).into_iter().collect();
    if run.state.kind() == Kind::Active
        && let Some(unstored) = app.state.engine.unstored().await?
        && unstored.holds(&run.id)
    {
        gates.push(view::gate(&unstored.gate));
    }
    let due = run.facts.due.filter(|_| run.state.kind() == Kind::Active);
    reply(&run, gates, None, due.map(stamp))
}

/// Says of runs that are queued or at work what holds them, as the daemon sees it now. A list is worth having without it: an
/// engine that does not answer is no error here.
pub(super) async fn add_gates(app: &App, runs: &mut [Run]) {
    add_gates_of_queued(app, runs).await;
    add_gates_at_work(app, runs).await;
}

/// Of runs at work: that what they come to cannot be written down.
async fn add_gates_at_work(app: &App, runs: &mut [Run]) {
    let is_at_work = |run: &Run| run.status == Status::Running;
    if !runs.iter().any(is_at_work) {
        return;
    }
    let Ok(Some(unstored)) = app.state.engine.unstored().await else {
        return;
    };
    for run in runs.iter_mut().filter(|run| is_at_work(run)) {
        if unstored.holds(&RunId(run.id.to_string())) {
            run.hold = view::waiting(std::slice::from_ref(&unstored.gate));
        }
    }
}

async fn add_gates_of_queued(app: &App, runs: &mut [Run]) {
    if runs.iter().all(|run| run.status != Status::Pending) {
        return;
    }
    let Ok(schedule) = app.state.engine.explain().await else {
        return;
    };
    for run in runs.iter_mut().filter(|run| run.status == Status::Pending) {
        let id = run.id.to_string();
        let held = schedule.held.iter().find(|held| held.id == id);
        run.hold = held.and_then(|held| view::waiting(&held.gates));
    }
}

/// Why a run that is not in the queue stands where it stands.
fn own_reason(run: &StoredRun) -> Option<Gate> {
    let facts = &run.facts;
    let reason = |gate: &str, message: &str, until| Gate {
        gate: gate.to_owned(),
        message: message.to_owned(),
        until,
    };
    match run.state {
        RunState::Paused => {
            let hold = facts.hold.as_ref();
            Some(hold.map_or_else(
                || {
                    reason(
                        "paused",
                        "paused by a person; `loopctl resume` lets it go on",
                        None,
                    )
                },
                |hold| reason(&hold.code, &hold.message, None),
            ))
        }
        RunState::Failed => facts
            .failure
            .as_ref()
            .map(|it| reason(&it.code, &it.message, None)),
        RunState::Canceled => Some(reason(
            "canceled",
            "canceled by a person; `loopctl retry` starts it anew",
            None,
        )),
        RunState::Running | RunState::Verifying | RunState::Watchdog | RunState::Merging => facts
            .due
            .map(|due| reason("backoff", &facts.last_message, Some(stamp(due)))),
        RunState::Queued | RunState::Completed => None,
    }
}

fn reply(
    run: &StoredRun,
    gates: Vec<Gate>,
    position: Option<u32>,
    wake_at: Option<jiff::Timestamp>,
) -> Result<Json<WhyReply>, ApiError> {
    Ok(Json(WhyReply {
        run: view::uuid(&run.id)?,
        state: run.state.as_str().to_owned(),
        gates,
        position,
        wake_at,
    }))
}

/// The whole schedule: what starts, what is held and why, what holds a slot.
#[utoipa::path(get, path = "/queue", tag = "queue", responses((status = 200, body = QueueReply)))]
pub(super) async fn queue(State(app): State<Shared>) -> Result<Json<QueueReply>, ApiError> {
    let schedule = app.state.engine.explain().await?;
    let running = app.state.reader.holding_slots().await?;
    let queued = queued(&app, &schedule).await?;
    let shown = |id: &String| queued.get(id).cloned();
    Ok(Json(QueueReply {
        starting: schedule.start.iter().filter_map(shown).collect(),
        held: schedule
            .held
            .iter()
            .filter_map(|held| {
                Some(HeldRun {
                    run: shown(&held.id)?,
                    position: held.position,
                    gates: held.gates.iter().map(view::gate).collect(),
                })
            })
            .collect(),
        running: running.iter().map(line).collect::<Result<_, _>>()?,
        policy: view::policy(&app.state.policy),
        wake_at: schedule.wake_at.map(stamp),
    }))
}

/// Every run of the schedule, by id. Those that left the queue meanwhile are read one by one.
async fn queued(app: &App, schedule: &Schedule) -> Result<HashMap<String, QueuedRun>, ApiError> {
    let mut found = HashMap::new();
    let wanted = schedule.start.len() + schedule.held.len();
    let mut before = None;
    while found.len() < wanted {
        let page = app
            .state
            .reader
            .list(Filter {
                states: vec![RunState::Queued],
                before,
                limit: PAGE,
                ..Filter::default()
            })
            .await?;
        for run in &page.runs {
            found.insert(run.id.0.clone(), line(run)?);
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let named = schedule
        .start
        .iter()
        .chain(schedule.held.iter().map(|held| &held.id));
    for id in named {
        if !found.contains_key(id) {
            found.insert(id.clone(), line(&app.run(&RunId(id.clone())).await?)?);
        }
    }
    Ok(found)
}

fn line(run: &StoredRun) -> Result<QueuedRun, ApiError> {
    Ok(QueuedRun {
        run: view::uuid(&run.id)?,
        name: run.name().to_owned(),
        state: run.state.as_str().to_owned(),
        priority: run.spec.priority,
        workspace_root: run.spec.workspace_root.clone(),
    })
}
