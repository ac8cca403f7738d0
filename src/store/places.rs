//! Places in the queue: every run that has not ended has one. A pause or a limit keeps it, a risen ticket renews it, an
//! end gives it back. The counts of overtaking are the scheduler's; they are only kept here.

use rusqlite::{Connection, params};

use super::error::Fault;
use super::rows::StoredRun;
use crate::core::machine::Kind;
use crate::core::schedule::Overtaken;

/// Brings the run's place in line with the run.
pub(super) fn settle(tx: &Connection, run: &StoredRun) -> Result<(), Fault> {
    match run.state.kind() {
        Kind::Ended => {
            tx.prepare_cached("DELETE FROM places WHERE run_id = ?1")?
                .execute([&run.id.0])?;
        }
        Kind::Waiting | Kind::Active | Kind::Held => {
            let ticket = run.facts.ticket;
            tx.prepare_cached("DELETE FROM places WHERE run_id = ?1 AND ticket <> ?2")?
                .execute(params![run.id.0, ticket])?;
            tx.prepare_cached(
                "INSERT INTO places (run_id, ticket) VALUES (?1, ?2) ON CONFLICT (run_id) DO NOTHING",
            )?
            .execute(params![run.id.0, ticket])?;
        }
    }
    Ok(())
}

/// Stores the counts that a start has raised.
pub(super) fn overtake(tx: &Connection, counts: &[Overtaken]) -> Result<(), Fault> {
    let mut update = tx.prepare_cached("UPDATE places SET overtaken = ?2 WHERE run_id = ?1")?;
    for count in counts {
        update.execute(params![count.id, count.overtaken])?;
    }
    Ok(())
}
