//! Handovers: what a person does with an ended run. The only place that changes one, in one transaction with its journal,
//! what is to be performed and what the world is told. A run's end opens its handover, and a run is started anew only
//! with its handover's consent: both in the transaction that moves the run.

use rusqlite::{Connection, params};

use super::codec::{self, int};
use super::error::{Fault, StoreError};
use super::handed::{HandOver, HandedOver, HandoverAnswer, HandoverEffect, HandoverMove};
use super::journal::{self, Entry};
use super::outbox::{self};
use super::rows::{self, EffectId, StoredEvent, StoredHandover, StoredRun};
use super::{Reader, Writer, apply, events, guards};
use crate::core::handover::{self, Effect, Event, Facts, RunEnd, State};
use crate::core::machine::{Kind, Moved, Outcome};
use crate::core::run::{self, RunId};
use crate::core::time::Time;

impl Writer {
    /// Applies one event to the handover of one run.
    pub async fn hand_over(&self, request: HandOver) -> Result<HandedOver, StoreError> {
        self.ask("apply an event to a handover", move |tx| {
            hand_over(tx, &request)
        })
        .await
    }
}

impl Reader {
    /// The handover of a run; `None` before the run's first end.
    pub async fn handover(&self, run: &RunId) -> Result<Option<StoredHandover>, StoreError> {
        let run = run.clone();
        self.ask("read a handover", move |db| rows::find_handover(db, &run))
            .await
    }

    /// Everything that is still to be performed for handovers, in the order of performing.
    pub async fn pending_handovers(&self) -> Result<Vec<HandoverEffect>, StoreError> {
        self.ask("read the pending effects of handovers", |db| {
            let mut select = db.prepare_cached(
                "SELECT id, run_id, generation, name FROM effects
                 WHERE state = 'pending' AND machine = 'handover' ORDER BY run_id, id",
            )?;
            let mut rows = select.query([])?;
            let mut pending = Vec::new();
            while let Some(row) = rows.next()? {
                let id = EffectId(row.get(0)?);
                let name: String = row.get(3)?;
                let effect: Effect = name
                    .parse()
                    .map_err(|unknown| Fault::unreadable(format!("effect {}", id.0), unknown))?;
                pending.push(HandoverEffect {
                    id,
                    run_id: RunId(row.get(1)?),
                    generation: codec::nat(row.get(2)?),
                    effect,
                });
            }
            Ok(pending)
        })
        .await
    }
}

fn hand_over(tx: &Connection, request: &HandOver) -> Result<HandedOver, Fault> {
    let Some(run) = rows::find_run(tx, &request.run_id)? else {
        return Err(StoreError::NoSuchRun(request.run_id.0.clone()).into());
    };
    if let Some(done) = &request.effect_done {
        outbox::finish(tx, done, request.now)?;
    }
    let mut told = Vec::new();
    let before = opened(tx, &run, request.now)?;
    let answer = send(tx, &run, before, &request.event, request.now, &mut told)?;
    if let (HandoverAnswer::Moved(_), Some(event)) = (&answer, &request.run_event) {
        told.extend(apply::beside_its_handover(
            tx,
            &request.run_id,
            event,
            request.now,
        )?);
    }
    Ok(HandedOver {
        answer,
        events: told,
    })
}

/// The handover as it stands; begun here for a run that has ended without one being noted. `None` for a run that has not.
fn opened(tx: &Connection, run: &StoredRun, now: Time) -> Result<Option<StoredHandover>, Fault> {
    follow(tx, run, now)?;
    rows::find_handover(tx, &run.id)
}

/// Whether the handover lets the run leave its end for `to`; the table's words where it does not. Nothing is written.
pub(super) fn consent(
    tx: &Connection,
    before: &StoredRun,
    moved: &Moved<run::State, run::Facts, run::Effect>,
    now: Time,
) -> Result<Result<(), &'static str>, Fault> {
    let leaves = before.state.kind() == Kind::Ended && moved.to.kind() != Kind::Ended;
    let Some(handover) = rows::find_handover(tx, &before.id)?.filter(|_| leaves) else {
        return Ok(Ok(()));
    };
    let event = reopened(&moved.facts);
    Ok(
        match handover::step(handover.state, &handover.facts, &event, now) {
            Outcome::Moved(_) | Outcome::Ignored(_) => Ok(()),
            Outcome::Refused(why) => Err(why),
        },
    )
}

/// Lets the handover follow its run, which has just been written: it opens with each end and closes with each new start.
pub(super) fn follow(tx: &Connection, run: &StoredRun, now: Time) -> Result<(), Fault> {
    let known = rows::find_handover(tx, &run.id)?;
    let event = match (RunEnd::of(run.state, &run.facts), &known) {
        (None, None) => return Ok(()),
        (Some(how), None) => Event::Ended { how },
        (Some(_), Some(it)) if it.state != State::None => return Ok(()),
        (Some(how), Some(_)) => Event::Ended { how },
        (None, Some(it)) if it.state == State::None => return Ok(()),
        (None, Some(_)) => reopened(&run.facts),
    };
    let handover = match known {
        Some(handover) => handover,
        None => begin(tx, &run.id, now)?,
    };
    // The world hears of both by the run itself.
    match send(tx, run, Some(handover), &event, now, &mut Vec::new())? {
        HandoverAnswer::Moved(_) | HandoverAnswer::Ignored(_) => Ok(()),
        HandoverAnswer::Refused(why) => {
            tracing::error!(run = %run.id, why, "a run moved without its handover's consent");
            Ok(())
        }
    }
}

/// The run is on its way back to the queue; a reset has taken its branch away.
fn reopened(after: &run::Facts) -> Event {
    Event::Reopened {
        same_branch: after.worktree.is_some(),
    }
}

/// Writes the first row of a handover.
fn begin(tx: &Connection, run: &RunId, now: Time) -> Result<StoredHandover, Fault> {
    let (state, facts) = (State::INITIAL, Facts::default());
    let text = codec::text("the facts of a handover", &facts)?;
    Entry {
        machine: guards::HANDOVER,
        entity: &run.0,
        rev: 1,
        at: now,
        event: journal::CREATED,
        data: text.clone(),
        from: None,
        to: state.as_str(),
        answer: None,
        version: handover::VERSION,
    }
    .append(tx)?;
    tx.prepare_cached(
        "INSERT INTO handovers (id, state, kind, rev, generation, updated_at, facts)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)",
    )?
    .execute(params![
        run.0,
        state.as_str(),
        state.kind().as_str(),
        int(facts.generation),
        now.0,
        text
    ])?;
    Ok(StoredHandover {
        run_id: run.clone(),
        state,
        rev: 1,
        facts,
    })
}

/// Sends one event to a handover, and stores the move. One that does not exist is at its beginning, where it moves for
/// nobody but a run that ends.
fn send(
    tx: &Connection,
    run: &StoredRun,
    before: Option<StoredHandover>,
    event: &Event,
    now: Time,
    told: &mut Vec<StoredEvent>,
) -> Result<HandoverAnswer, Fault> {
    // What is stored is what is decided on, so that a replay reads the very same event.
    let data = codec::text("the event of a handover", event)?;
    let event: Event = codec::value(
        || format!("the event for the handover of run {}", run.id),
        &data,
    )?;
    let (state, facts) = before.as_ref().map_or_else(
        || (State::INITIAL, Facts::default()),
        |it| (it.state, it.facts.clone()),
    );
    let moved = match handover::step(state, &facts, &event, now) {
        Outcome::Moved(moved) => moved,
        Outcome::Ignored(why) => return Ok(HandoverAnswer::Ignored(why)),
        Outcome::Refused(why) => return Ok(HandoverAnswer::Refused(why)),
    };
    let before = match before {
        Some(before) => before,
        None => begin(tx, &run.id, now)?,
    };
    let (from, answer) = (moved.from, moved.answer);
    let rev = before.rev + 1;
    let target = run.facts.worktree.as_ref();
    let target = target.map_or("", |made| made.merge_target_branch.as_str());
    let public = handover::public_events(target, &event, &moved, rev);
    let after = StoredHandover {
        state: moved.to,
        rev,
        facts: moved.facts,
        ..before
    };
    Entry {
        machine: guards::HANDOVER,
        entity: &run.id.0,
        rev,
        at: now,
        event: event.name().as_str(),
        data,
        from: Some(from.as_str()),
        to: after.state.as_str(),
        answer,
        version: handover::VERSION,
    }
    .append(tx)?;
    write(tx, &after, now)?;
    let effects = append(tx, &after, &moved.effects, now)?;
    told.extend(events::append(tx, &run.id, &public, now)?);
    Ok(HandoverAnswer::Moved(Box::new(HandoverMove {
        from,
        handover: after,
        effects,
    })))
}

/// The only statement in the house that changes a handover.
fn write(tx: &Connection, it: &StoredHandover, now: Time) -> Result<(), Fault> {
    tx.prepare_cached(
        "UPDATE handovers SET state = ?2, kind = ?3, rev = ?4, generation = ?5, ended_at = ?6, updated_at = ?7,
           facts = ?8 WHERE id = ?1",
    )?
    .execute(params![
        it.run_id.0,
        it.state.as_str(),
        it.state.kind().as_str(),
        int(it.rev),
        int(it.facts.generation),
        it.facts.ended_at.map(|at| at.0),
        now.0,
        codec::text("the facts of a handover", &it.facts)?,
    ])?;
    Ok(())
}

/// Writes the effects of a move, in their order.
fn append(
    tx: &Connection,
    it: &StoredHandover,
    effects: &[Effect],
    now: Time,
) -> Result<Vec<HandoverEffect>, Fault> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO effects (run_id, generation, name, machine, created_at) VALUES (?1, ?2, ?3, 'handover', ?4)",
    )?;
    let mut stored = Vec::with_capacity(effects.len());
    for &effect in effects {
        let generation = it.facts.generation;
        insert.execute(params![
            it.run_id.0,
            int(generation),
            effect.as_str(),
            now.0
        ])?;
        stored.push(HandoverEffect {
            id: EffectId(tx.last_insert_rowid()),
            run_id: it.run_id.clone(),
            generation,
            effect,
        });
    }
    Ok(stored)
}
