//! One stored row against what the journal says of it: state, revision and facts, the columns that stand for facts, and what
//! stands beside it.

use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;

use crate::core::machine::Kind;
use crate::store::codec;
use crate::store::columns::Columns;
use crate::store::error::{Fault, StoreError};
use crate::store::fold::{End, Violation};
use crate::store::rows::{StoredRun, StoredStep};

/// A row that cannot be read is a finding, not the end of the check.
pub(super) fn readable<T>(
    entity: &str,
    found: Result<Option<T>, Fault>,
    violations: &mut Vec<Violation>,
) -> Result<Option<T>, Fault> {
    match found {
        Err(Fault::Told(StoreError::Unreadable { what, detail })) => {
            violations.push(differs(
                entity.to_owned(),
                &what,
                "a readable value",
                &detail,
            ));
            Ok(None)
        }
        other => other,
    }
}

/// The stored row against the end of the journal, fact by fact.
pub(super) fn compare<F: Serialize + PartialEq>(
    entity: &str,
    end: End<F>,
    state: &str,
    rev: u64,
    facts: &F,
    violations: &mut Vec<Violation>,
) {
    let mut field = |name: &str, expected: &str, found: &str| {
        if expected != found {
            violations.push(differs(entity.to_owned(), name, expected, found));
        }
    };
    field("state", end.state.as_deref().unwrap_or("nothing"), state);
    field("rev", &end.rev.to_string(), &rev.to_string());
    let Some(expected) = end.facts.filter(|expected| expected != facts) else {
        return;
    };
    let fields = |facts: &F| match serde_json::to_value(facts) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let found = fields(facts);
    for (name, expected) in fields(&expected) {
        let found = found.get(&name).unwrap_or(&serde_json::Value::Null);
        field(
            &format!("fact {name}"),
            &expected.to_string(),
            &found.to_string(),
        );
    }
}

/// The columns that stand for facts.
pub(super) fn projected(
    db: &Connection,
    run: &StoredRun,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let expected = Columns::of(run.state, &run.spec, &run.facts);
    let sql = format!("SELECT {} FROM runs WHERE id = ?1", Columns::NAMES);
    let found = db
        .prepare_cached(&sql)?
        .query_row([&run.id.0], Columns::read)?;
    if expected != found {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        violations.push(differs(run.id.0.clone(), "columns", &expected, &found));
    }
    Ok(())
}

/// The columns that stand for the facts of a step.
pub(super) fn projected_step(
    db: &Connection,
    step: &StoredStep,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let facts = &step.facts;
    let kind = step.state.kind().as_str().to_owned();
    let expected = (
        kind,
        facts.started_at.map(|at| at.0),
        facts.ended_at.map(|at| at.0),
        facts.exit_code,
    );
    let found: (String, Option<i64>, Option<i64>, Option<i32>) = db
        .prepare_cached("SELECT kind, started_at, ended_at, exit_code FROM steps WHERE id = ?1")?
        .query_row([&step.id.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    if expected != found {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        violations.push(differs(step.id.0.clone(), "columns", &expected, &found));
    }
    Ok(())
}

/// A run has a place, of its present ticket, exactly until it has ended.
pub(super) fn place(
    db: &Connection,
    run: &StoredRun,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let expected = match run.state.kind() {
        Kind::Ended => None,
        Kind::Waiting | Kind::Active | Kind::Held => Some(run.facts.ticket),
    };
    let found: Option<u32> = db
        .prepare_cached("SELECT ticket FROM places WHERE run_id = ?1")?
        .query_row([&run.id.0], |row| row.get(0))
        .optional()?;
    if expected != found {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        violations.push(differs(
            run.id.0.clone(),
            "ticket of its place",
            &expected,
            &found,
        ));
    }
    Ok(())
}

/// No step is open but the one that the run knows of.
pub(super) fn open_steps(
    db: &Connection,
    run: &StoredRun,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let mut select =
        db.prepare_cached("SELECT generation FROM steps WHERE run_id = ?1 AND kind <> 'ended'")?;
    let live = run
        .facts
        .step
        .as_ref()
        .map(|live| codec::int(live.generation));
    for open in select.query_map([&run.id.0], |row| row.get::<_, i64>(0))? {
        let open = open?;
        if Some(open) != live {
            let (expected, found) = (format!("{live:?}"), format!("Some({open})"));
            violations.push(differs(run.id.0.clone(), "open step", &expected, &found));
        }
    }
    Ok(())
}

pub(super) fn differs(entity: String, field: &str, expected: &str, found: &str) -> Violation {
    Violation {
        entity,
        field: field.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
