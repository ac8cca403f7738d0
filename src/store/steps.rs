//! Steps: a row for each, begun by an effect of the run and moved by the machine of the step. The only place that
//! changes a step's state. A step that its run no longer knows of has ended: nothing of it may stay open.

use rusqlite::{Connection, params};

use super::codec::{self, int};
use super::error::{Fault, StoreError};
use super::journal::{self, Entry};
use super::rows::{self, StoredEvent, StoredRun, StoredStep};
use super::{Reader, Writer, events, guards};
use crate::core::machine::{Kind, Outcome};
use crate::core::run::{PublicEvent, RunId, StepId, briefing_events};
use crate::core::step::{self, StepFacts};
use crate::core::time::Time;

/// Something that happened to a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Which step.
    pub id: StepId,
    /// What happened.
    pub event: step::Event,
    /// The file with what the agent was told, once it is known.
    pub prompt_path: Option<String>,
    /// The file with what the process wrote, once it is known.
    pub output_path: Option<String>,
}

/// What became of a report about a step.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum StepApplied {
    /// The step after it, and what the world was told.
    Moved(Box<StoredStep>, Vec<StoredEvent>),
    /// A harmless race; nothing was stored. The text says why.
    Ignored(&'static str),
    /// The table refuses it; nothing was stored. The text says why.
    Refused(&'static str),
}

impl Writer {
    /// Records what happened to a step, where that moves no run.
    pub async fn step_event(
        &self,
        report: StepReport,
        now: Time,
    ) -> Result<StepApplied, StoreError> {
        self.ask("record what happened to a step", move |tx| {
            apply(tx, &report, now)
        })
        .await
    }
}

impl Reader {
    /// The steps of a run, oldest first.
    pub async fn steps(&self, run: &RunId) -> Result<Vec<StoredStep>, StoreError> {
        let run = run.clone();
        self.ask("list steps", move |db| {
            let mut select = db.prepare_cached(&of_run())?;
            let mut found = select.query([&run.0])?;
            let mut steps = Vec::new();
            while let Some(row) = found.next()? {
                steps.push(rows::step(row)?);
            }
            Ok(steps)
        })
        .await
    }
}

/// The steps of a run, oldest first.
pub(super) fn of_run() -> String {
    format!(
        "SELECT {} FROM steps WHERE run_id = ?1 ORDER BY generation",
        rows::STEP
    )
}

/// Writes the row of a step that an effect begins. `run` is the run after the move.
pub(super) fn begin(tx: &Connection, run: &StoredRun, phase: &str, now: Time) -> Result<(), Fault> {
    let (generation, facts) = (run.facts.generation, StepFacts::default());
    let id = StepId::new(&run.id, generation);
    let state = step::State::INITIAL;
    let facts = codec::text("the facts of a step", &facts)?;
    Entry {
        machine: guards::STEP,
        entity: &id.0,
        rev: 1,
        at: now,
        event: journal::CREATED,
        data: facts.clone(),
        from: None,
        to: state.as_str(),
        answer: None,
        version: step::VERSION,
    }
    .append(tx)?;
    tx.prepare_cached(
        "INSERT INTO steps (id, run_id, generation, phase, state, kind, rev, attempt, iteration, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9)",
    )?
    .execute(params![
        id.0,
        run.id.0,
        int(generation),
        phase,
        state.as_str(),
        state.kind().as_str(),
        run.facts.attempt.saturating_add(1),
        run.facts.iteration,
        facts,
    ])?;
    Ok(())
}

/// Moves a step inside of a larger transaction.
pub(super) fn apply(tx: &Connection, report: &StepReport, now: Time) -> Result<StepApplied, Fault> {
    let Some(before) = rows::find_step(tx, &report.id)? else {
        return Err(StoreError::NoSuchStep(report.id.0.clone()).into());
    };
    // What is stored is what is decided on, so that a replay reads the very same event.
    let data = codec::text("the event of a step", &report.event)?;
    let event: step::Event = codec::value(|| format!("the event of step {}", report.id), &data)?;
    let moved = match step::step(before.state, &before.facts, &event, now) {
        Outcome::Moved(moved) => moved,
        Outcome::Ignored(why) => return Ok(StepApplied::Ignored(why)),
        Outcome::Refused(why) => return Ok(StepApplied::Refused(why)),
    };
    let briefed_before = before.facts.briefing.clone();
    let after = StoredStep {
        state: moved.to,
        rev: before.rev + 1,
        prompt_path: report.prompt_path.clone().or(before.prompt_path),
        output_path: report.output_path.clone().or(before.output_path),
        facts: moved.facts,
        ..before
    };
    Entry {
        machine: guards::STEP,
        entity: &after.id.0,
        rev: after.rev,
        at: now,
        event: event.name().as_str(),
        data,
        from: Some(moved.from.as_str()),
        to: moved.to.as_str(),
        answer: moved.answer,
        version: step::VERSION,
    }
    .append(tx)?;
    tx.prepare_cached(
        "UPDATE steps SET state = ?2, kind = ?3, rev = ?4, started_at = ?5, ended_at = ?6, exit_code = ?7,
           prompt_path = ?8, output_path = ?9, facts = ?10 WHERE id = ?1",
    )?
    .execute(params![
        after.id.0,
        after.state.as_str(),
        after.state.kind().as_str(),
        int(after.rev),
        after.facts.started_at.map(|at| at.0),
        after.facts.ended_at.map(|at| at.0),
        after.facts.exit_code,
        after.prompt_path,
        after.output_path,
        codec::text("the facts of a step", &after.facts)?,
    ])?;
    let mut told = match &after.facts.briefing {
        Some(briefing) if after.facts.briefing != briefed_before => {
            briefing_events(&after.id, briefing)
        }
        Some(_) | None => Vec::new(),
    };
    match after.state.kind() {
        Kind::Ended => told.push(finished(&after)),
        Kind::Waiting | Kind::Active | Kind::Held => {}
    }
    let told = events::append(tx, &after.run_id, &told, now)?;
    Ok(StepApplied::Moved(Box::new(after), told))
}

/// Ends the steps that the run no longer knows of: a start that was superseded before it was made, above all.
pub(super) fn forget(
    tx: &Connection,
    run: &StoredRun,
    now: Time,
) -> Result<Vec<StoredEvent>, Fault> {
    let open: Vec<String> = {
        let mut select = tx.prepare_cached(
            "SELECT id FROM steps WHERE run_id = ?1 AND kind <> 'ended' AND generation IS NOT ?2",
        )?;
        let live = run.facts.step.as_ref().map(|live| int(live.generation));
        let ids = select.query_map(params![run.id.0, live], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    let mut told = Vec::new();
    for id in open {
        let event = step::Event::Canceled {
            exit_code: None,
            message: "superseded by its run".to_owned(),
        };
        let report = StepReport {
            id: StepId(id),
            event,
            prompt_path: None,
            output_path: None,
        };
        if let StepApplied::Moved(_, events) = apply(tx, &report, now)? {
            told.extend(events);
        }
    }
    Ok(told)
}

fn finished(step: &StoredStep) -> PublicEvent {
    let (started, ended) = (step.facts.started_at, step.facts.ended_at);
    PublicEvent::StepFinished {
        step_id: step.id.clone(),
        exit_code: step.facts.exit_code,
        duration_ms: started
            .zip(ended)
            .map_or(0, |(started, ended)| ended.ms_since(started)),
        output_path: step.output_path.clone(),
    }
}
