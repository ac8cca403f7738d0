//! The outbox: what has to be performed, written with the move that asked for it and read again after a crash.
//! Performing is not known here.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{self, int, nat};
use super::error::{Fault, StoreError};
use super::rows::{EffectId, StoredEffect, StoredEvent, StoredRun};
use super::{Reader, Writer, events};
use crate::core::run::{Effect, PublicEvent, RunId, StepId};
use crate::core::time::Time;

/// An effect that was performed, and how that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectDone {
    /// Which one.
    pub id: EffectId,
    /// How it went, in a few words, for whoever looks into the database.
    pub outcome: String,
}

pub(super) const PENDING: &str =
    "SELECT id, run_id, generation, step_id, name, created_at FROM effects
     WHERE state = 'pending' AND machine = 'run' ORDER BY run_id, id";

impl Writer {
    /// Records that an effect was performed, where that moves no run, and what the world is told of it. A repeat, and an
    /// effect that was dropped in the meantime, change nothing and tell nothing.
    pub async fn effect_done(
        &self,
        done: EffectDone,
        told: Vec<PublicEvent>,
        now: Time,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.ask("record a performed effect", move |tx| {
            match finish(tx, &done, now)? {
                Some(run) => events::append(tx, &run, &told, now),
                None => Ok(Vec::new()),
            }
        })
        .await
    }
}

impl Writer {
    /// Keeps what the effect is about to do, before it does it: a repeat after a crash may find no trace of it. Replaces
    /// what it noted before.
    pub async fn note_effect(&self, effect: EffectId, note: String) -> Result<(), StoreError> {
        self.ask("note what an effect is about to do", move |tx| {
            tx.prepare_cached("UPDATE effects SET note = ?2 WHERE id = ?1")?
                .execute(params![effect.0, note])?;
            Ok(())
        })
        .await
    }
}

impl Reader {
    /// What the effect has noted, as JSON; none before.
    pub async fn effect_note(&self, effect: EffectId) -> Result<Option<String>, StoreError> {
        self.ask("read what an effect has noted", move |db| {
            let mut select = db.prepare_cached("SELECT note FROM effects WHERE id = ?1")?;
            Ok(select
                .query_row([effect.0], |row| row.get(0))
                .optional()?
                .flatten())
        })
        .await
    }

    /// Everything that is still to be performed, by run and in the order of performing.
    pub async fn pending_effects(&self) -> Result<Vec<StoredEffect>, StoreError> {
        self.ask("read the pending effects", |db| {
            let mut select = db.prepare_cached(PENDING)?;
            let mut rows = select.query([])?;
            let mut pending = Vec::new();
            while let Some(row) = rows.next()? {
                let id = EffectId(row.get(0)?);
                let name: String = row.get(4)?;
                let effect: Effect = name
                    .parse()
                    .map_err(|unknown| Fault::unreadable(format!("effect {}", id.0), unknown))?;
                pending.push(StoredEffect {
                    id,
                    run_id: RunId(row.get(1)?),
                    generation: nat(row.get(2)?),
                    step_id: row.get::<_, Option<String>>(3)?.map(StepId),
                    effect,
                    created_at: Time(row.get(5)?),
                });
            }
            Ok(pending)
        })
        .await
    }
}

impl Reader {
    /// The runs for which something is still to be performed, an analysis aside.
    pub async fn unsettled(&self) -> Result<Vec<RunId>, StoreError> {
        self.ask("look for what is still to be performed", |db| {
            let mut select = db.prepare_cached(
                "SELECT DISTINCT run_id FROM effects
                 WHERE state = 'pending' AND machine = 'run' AND name <> ?1",
            )?;
            let analysis = Effect::WritePostmortem.as_str();
            let runs = select.query_map([analysis], |row| row.get(0).map(RunId))?;
            Ok(runs.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Writes the effects of a move, in their order. `run` is the run after it.
pub(super) fn append(
    tx: &Connection,
    run: &StoredRun,
    effects: &[Effect],
    now: Time,
) -> Result<Vec<StoredEffect>, Fault> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO effects (run_id, generation, step_id, name, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut stored = Vec::with_capacity(effects.len());
    for &effect in effects {
        // A stop is addressed to the step that is not yet gone, a start to the one that it begins: after the move the
        // facts name both.
        let step_id = match &run.facts.step {
            Some(live) if effect.stops() || effect.step().is_some() => {
                Some(StepId::new(&run.id, live.generation))
            }
            Some(_) | None => None,
        };
        let generation = run.facts.generation;
        insert.execute(params![
            run.id.0,
            int(generation),
            step_id.as_ref().map(|id| &id.0),
            effect.as_str(),
            now.0
        ])?;
        let id = EffectId(tx.last_insert_rowid());
        stored.push(StoredEffect {
            id,
            run_id: run.id.clone(),
            generation,
            step_id,
            effect,
            created_at: now,
        });
    }
    Ok(stored)
}

/// Drops what is pending and would only begin a step that is not the one the run waits for now, together with what was
/// to prepare it. Stops, and what follows an end, have generations of their own and stay. `run` is the run after a move, before its effects are added.
pub(super) fn supersede(
    tx: &Connection,
    run: &StoredRun,
    now: Time,
) -> Result<Vec<EffectId>, Fault> {
    let generation = run.facts.generation;
    let wanted = run
        .facts
        .step
        .as_ref()
        .is_some_and(|live| live.generation == generation);
    let wanted = wanted.then(|| int(generation));
    let starts: Vec<&str> = Effect::ALL
        .iter()
        .filter(|it| it.step().is_some())
        .map(|it| it.as_str())
        .collect();
    let starts = codec::text("the names of effects", &starts)?;
    let mut drop = tx.prepare_cached(
        "UPDATE effects SET state = 'dropped', done_at = ?3, outcome = 'superseded'
         WHERE run_id = ?1 AND machine = 'run' AND state = 'pending' AND generation IS NOT ?2
           AND EXISTS (
             SELECT 1 FROM effects AS start
             WHERE start.run_id = effects.run_id AND start.machine = 'run' AND start.generation = effects.generation
               AND start.name IN (SELECT value FROM json_each(?4)))
         RETURNING id",
    )?;
    let dropped = drop.query_map(params![run.id.0, wanted, now.0, starts], |row| {
        Ok(EffectId(row.get(0)?))
    })?;
    Ok(dropped.collect::<Result<_, _>>()?)
}

/// Marks one effect as performed; its run, unless it was marked or dropped already.
pub(super) fn finish(
    tx: &Connection,
    done: &EffectDone,
    now: Time,
) -> Result<Option<RunId>, Fault> {
    let mut update = tx.prepare_cached(
        "UPDATE effects SET state = 'done', done_at = ?2, outcome = ?3
         WHERE id = ?1 AND state = 'pending' RETURNING run_id",
    )?;
    let mut marked = update.query(params![done.id.0, now.0, done.outcome])?;
    let run = marked.next()?.map(|row| row.get(0)).transpose()?;
    // An UPDATE that returns rows is not done before its last one was asked for.
    while marked.next()?.is_some() {}
    Ok(run.map(RunId))
}
