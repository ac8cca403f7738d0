//! THE mutation path: the only place that changes a run. One transaction loads it, asks the pure machine, and writes
//! the journal, the run, its place, its steps, what is to be performed and what the world is told; all or nothing.
//! It decides nothing: what an event means stands in `machines/run.toml` and the rules.

use rusqlite::{Connection, params};

use super::codec::{self, int};
use super::columns::Columns;
use super::error::{Fault, StoreError};
use super::files::{self, Artifact};
use super::journal::Entry;
use super::outbox::{self, EffectDone};
use super::rows::{self, EffectId, StoredEffect, StoredEvent, StoredRun};
use super::steps::{self, StepApplied, StepReport};
use super::{Writer, events, guards, handovers, places};
use crate::core::machine::{Moved, Outcome};
use crate::core::run::{self, Effect, Event, Facts, RunId, State, public_events};
use crate::core::schedule::Overtaken;
use crate::core::time::Time;

/// An event for a run, and what is to be stored with it.
#[derive(Clone, Debug)]
pub struct Apply {
    /// For which run.
    pub run_id: RunId,
    /// What happened.
    pub event: Event,
    /// When.
    pub now: Time,
    /// The revision that the sender has seen; with another one stored, the answer is [`Answer::Stale`] and nothing is
    /// stored at all.
    pub expect: Option<Expect>,
    /// The effect that this event reports on. Recorded whatever the run's answer is.
    pub effect_done: Option<EffectDone>,
    /// What the event means for its step. Recorded whatever the run's answer is.
    pub step: Option<StepReport>,
    /// Files to record. Recorded whatever the run's answer is.
    pub artifacts: Vec<Artifact>,
    /// The counts that a claim has raised. Stored only when the run moves.
    pub overtaken: Vec<Overtaken>,
}

impl Apply {
    /// An event with nothing beside it.
    pub fn new(run_id: RunId, event: Event, now: Time) -> Self {
        Apply {
            run_id,
            event,
            now,
            expect: None,
            effect_done: None,
            step: None,
            artifacts: Vec::new(),
            overtaken: Vec::new(),
        }
    }
}

/// A revision of a run, and the lease under which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// See [`StoredRun::rev`].
    pub rev: u64,
    /// See [`StoredRun::epoch`].
    pub epoch: u64,
}

/// What became of an [`Apply`].
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What the machine said.
    pub answer: Answer,
    /// The run that it said so of: after the move, else as it was looked at. Somebody else may have moved it since.
    pub run: Box<StoredRun>,
    /// What the world was told, in order.
    pub events: Vec<StoredEvent>,
}

/// What the machine said to an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The run moved, possibly within its state.
    Moved(Box<Move>),
    /// A harmless race; the run is as it was. The text says why.
    Ignored(&'static str),
    /// The table refuses it; the run is as it was. The text says why.
    Refused(&'static str),
    /// Somebody wrote in between; look again. What is stored:
    Stale(Expect),
}

/// A move that was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The state before.
    pub from: State,
    /// The run after.
    pub run: StoredRun,
    /// What is to be performed now, in this order.
    pub effects: Vec<StoredEffect>,
    /// What was to be performed and is no longer.
    pub dropped: Vec<EffectId>,
}

impl Writer {
    /// Applies one event to one run.
    pub async fn apply(&self, request: Apply) -> Result<Applied, StoreError> {
        self.ask("apply an event", move |tx| apply(tx, &request))
            .await
    }
}

fn apply(tx: &Connection, request: &Apply) -> Result<Applied, Fault> {
    let Some(before) = rows::find_run(tx, &request.run_id)? else {
        return Err(StoreError::NoSuchRun(request.run_id.0.clone()).into());
    };
    let stored = Expect {
        rev: before.rev,
        epoch: before.epoch,
    };
    if request.expect.is_some_and(|seen| seen != stored) {
        return Ok(Applied {
            answer: Answer::Stale(stored),
            run: Box::new(before),
            events: Vec::new(),
        });
    }
    let mut told = beside(tx, request)?;
    // What is stored is what is decided on, so that a replay reads the very same event.
    let data = codec::text("the event", &request.event)?;
    let event: Event = codec::value(|| format!("the event for run {}", request.run_id), &data)?;
    let (answer, run) = match run::step(before.state, &before.facts, &event, request.now) {
        Outcome::Ignored(why) => (Answer::Ignored(why), before),
        Outcome::Refused(why) => (Answer::Refused(why), before),
        Outcome::Moved(moved) => match handovers::consent(tx, &before, &moved, request.now)? {
            Err(why) => (Answer::Refused(why), before),
            Ok(()) => {
                let made = store(tx, request, before, &event, data, moved, &mut told)?;
                let after = made.run.clone();
                (Answer::Moved(Box::new(made)), after)
            }
        },
    };
    Ok(Applied {
        answer,
        run: Box::new(run),
        events: told,
    })
}

/// Applies an event that comes with a move of the run's handover; what the world is told of it. The run performs nothing
/// because of it.
pub(super) fn beside_its_handover(
    tx: &Connection,
    run: &RunId,
    event: &Event,
    now: Time,
) -> Result<Vec<StoredEvent>, Fault> {
    let applied = apply(tx, &Apply::new(run.clone(), event.clone(), now))?;
    Ok(applied.events)
}

/// What is true whatever the run makes of the event.
fn beside(tx: &Connection, request: &Apply) -> Result<Vec<StoredEvent>, Fault> {
    if let Some(done) = &request.effect_done {
        let _ = outbox::finish(tx, done, request.now)?;
    }
    for artifact in &request.artifacts {
        files::record(tx, artifact)?;
    }
    let Some(report) = &request.step else {
        return Ok(Vec::new());
    };
    match steps::apply(tx, report, request.now)? {
        StepApplied::Moved(_, told) => Ok(told),
        StepApplied::Ignored(_) => Ok(Vec::new()),
        StepApplied::Refused(why) => {
            tracing::warn!(step = %report.id, why, "a report about a step was refused");
            Ok(Vec::new())
        }
    }
}

/// Stores a move. The journal comes first: the guards of the run's row look for it.
fn store(
    tx: &Connection,
    request: &Apply,
    before: StoredRun,
    event: &Event,
    data: String,
    moved: Moved<State, Facts, Effect>,
    told: &mut Vec<StoredEvent>,
) -> Result<Move, Fault> {
    let now = request.now;
    let rev = before.rev + 1;
    Entry {
        machine: guards::RUN,
        entity: &before.id.0,
        rev,
        at: now,
        event: event.name().as_str(),
        data,
        from: Some(moved.from.as_str()),
        to: moved.to.as_str(),
        answer: moved.answer,
        version: run::VERSION,
    }
    .append(tx)?;
    let public = public_events(&before.id, &before.spec, &before.facts, event, &moved, rev);
    let run = StoredRun {
        state: moved.to,
        rev,
        facts: moved.facts,
        updated_at: now,
        ..before
    };
    write(tx, &run)?;
    handovers::follow(tx, &run, now)?;
    places::settle(tx, &run)?;
    places::overtake(tx, &request.overtaken)?;
    let dropped = outbox::supersede(tx, &run, now)?;
    told.extend(steps::forget(tx, &run, now)?);
    for phase in moved.effects.iter().filter_map(|effect| effect.step()) {
        steps::begin(tx, &run, phase, now)?;
    }
    let effects = outbox::append(tx, &run, &moved.effects, now)?;
    told.extend(events::append(tx, &run.id, &public, now)?);
    Ok(Move {
        from: moved.from,
        run,
        effects,
        dropped,
    })
}

/// The only statement in the house that changes a run.
fn write(tx: &Connection, run: &StoredRun) -> Result<(), Fault> {
    let it = Columns::of(run.state, &run.spec, &run.facts);
    tx.prepare_cached(
        "UPDATE runs SET state = ?2, kind = ?3, rev = ?4, generation = ?5, step_alive = ?6, provider = ?7,
           not_before = ?8, due_at = ?9, verified_tree = ?10, ended_at = ?11, updated_at = ?12, facts = ?13,
           name = ?14
         WHERE id = ?1",
    )?
    .execute(params![
        run.id.0,
        run.state.as_str(),
        it.kind,
        int(run.rev),
        it.generation,
        it.step_alive,
        it.provider,
        it.not_before,
        it.due_at,
        it.verified_tree,
        it.ended_at,
        run.updated_at.0,
        codec::text("the facts", &run.facts)?,
        it.name,
    ])?;
    Ok(())
}
