//! The check of a whole database: every run and every step has to follow from its journal. Walks run by run, each in a
//! snapshot of its own, so that it can be asked of a database in use.

mod row;

use rusqlite::Connection;

use super::codec;
use super::error::{Fault, StoreError};
use super::fold::{self, Violation};
use super::rows::{self, StoredRun};
use super::{Reader, guards, journal};
use crate::core::machine::Kind;
use crate::core::run::{self, RunId, StepId};
use crate::core::{handover, step};
use row::{compare, differs, open_steps, place, projected, projected_step, readable};

impl Reader {
    /// Everything stored that does not follow from the journal; empty for a sound database.
    pub async fn replay(&self) -> Result<Vec<Violation>, StoreError> {
        let ids = self.ask("list every run", |db| {
            let mut select = db.prepare("SELECT id FROM runs ORDER BY number")?;
            let ids = select.query_map([], |row| row.get::<_, String>(0))?;
            Ok(ids.collect::<Result<Vec<_>, _>>()?)
        });
        let mut violations = self.ask("look for orphans", orphans).await?;
        for id in ids.await? {
            violations.extend(
                self.ask("replay a run", move |db| replay(db, &RunId(id)))
                    .await?,
            );
        }
        Ok(violations)
    }
}

/// Journal rows about nothing.
fn orphans(db: &Connection) -> Result<Vec<Violation>, Fault> {
    let mut select = db.prepare(
        "SELECT DISTINCT entity FROM journal AS j
         WHERE NOT EXISTS (SELECT 1 FROM runs WHERE j.machine = 'run' AND id = j.entity)
           AND NOT EXISTS (SELECT 1 FROM steps WHERE j.machine = 'step' AND id = j.entity)
           AND NOT EXISTS (SELECT 1 FROM handovers WHERE j.machine = 'handover' AND id = j.entity)",
    )?;
    let orphans = select.query_map([], |row| row.get(0))?;
    let missing = |entity| differs(entity, "row", "a row", "nothing");
    Ok(orphans
        .map(|entity| entity.map(missing))
        .collect::<Result<_, _>>()?)
}

/// One run and its steps.
fn replay(db: &Connection, id: &RunId) -> Result<Vec<Violation>, Fault> {
    let mut violations = Vec::new();
    let rows = journal::of(db, guards::RUN, &id.0)?;
    let end = fold::fold(
        &id.0,
        &rows,
        run::VERSION,
        run::State::INITIAL,
        run::step,
        &mut violations,
    );
    match readable(&id.0, rows::find_run(db, id), &mut violations)? {
        Some(run) => {
            compare(
                &id.0,
                end,
                run.state.as_str(),
                run.rev,
                &run.facts,
                &mut violations,
            );
            projected(db, &run, &mut violations)?;
            place(db, &run, &mut violations)?;
            open_steps(db, &run, &mut violations)?;
            handed_over(db, &run, &mut violations)?;
        }
        None => return Ok(violations),
    }
    let steps: Vec<String> = {
        let mut select =
            db.prepare_cached("SELECT id FROM steps WHERE run_id = ?1 ORDER BY generation")?;
        let ids = select.query_map([&id.0], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    for id in steps {
        let rows = journal::of(db, guards::STEP, &id)?;
        let end = fold::fold(
            &id,
            &rows,
            step::VERSION,
            step::State::INITIAL,
            step::step,
            &mut violations,
        );
        if let Some(step) = readable(
            &id,
            rows::find_step(db, &StepId(id.clone())),
            &mut violations,
        )? {
            compare(
                &id,
                end,
                step.state.as_str(),
                step.rev,
                &step.facts,
                &mut violations,
            );
            projected_step(db, &step, &mut violations)?;
        }
    }
    Ok(violations)
}

/// The handover of a run: its journal explains it, and it is open exactly while its run has ended.
fn handed_over(
    db: &Connection,
    run: &StoredRun,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let entity = format!("the handover of {}", run.id);
    let rows = journal::of(db, guards::HANDOVER, &run.id.0)?;
    let found = readable(&entity, rows::find_handover(db, &run.id), violations)?;
    let Some(it) = found else {
        return Ok(());
    };
    let end = fold::fold(
        &entity,
        &rows,
        handover::VERSION,
        handover::State::INITIAL,
        handover::step,
        violations,
    );
    compare(
        &entity,
        end,
        it.state.as_str(),
        it.rev,
        &it.facts,
        violations,
    );
    let expected = (
        it.state.kind().as_str().to_owned(),
        codec::int(it.facts.generation),
        it.facts.ended_at.map(|at| at.0),
    );
    let found: (String, i64, Option<i64>) = db
        .prepare_cached("SELECT kind, generation, ended_at FROM handovers WHERE id = ?1")?
        .query_row([&run.id.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if expected != found {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        violations.push(differs(entity.clone(), "columns", &expected, &found));
    }
    let ended = run.state.kind() == Kind::Ended;
    if ended == (it.state == handover::State::None) {
        let expected = if ended { "open" } else { "none" };
        violations.push(differs(
            entity,
            "state beside its run",
            expected,
            it.state.as_str(),
        ));
    }
    Ok(())
}
