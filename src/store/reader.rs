//! The reader: a few read-only connections, lent to one short question at a time on a blocking thread. No question
//! holds a cursor while anybody waits, so that a slow client never keeps the log from being folded away.
//! The questions themselves stand in the files that are named after them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::{Fault, StoreError};
use super::open;

/// Connections, and so questions that are looked at at the same time.
const CONNECTIONS: usize = 4;

/// A handle to the read-only connections.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: Arc<Path>,
    busy: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    /// Opens the first connection, so that a database that cannot be read is told at the start.
    pub(super) fn start(path: Arc<Path>, busy: Duration) -> Result<Self, StoreError> {
        let first = open::reading(&path, busy).map_err(|fault| fault.tell(&path, "open"))?;
        let permits = Semaphore::new(CONNECTIONS);
        Ok(Reader {
            pool: Arc::new(Pool {
                path,
                busy,
                permits,
                idle: Mutex::new(vec![first]),
            }),
        })
    }

    /// Answers one question from one snapshot of the database. `doing` is for error texts.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        look: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The semaphore is never closed; were it, the question would only be asked without waiting for its turn.
        let _permit = self.pool.permits.acquire().await.ok();
        let pool = Arc::clone(&self.pool);
        let answer = tokio::task::spawn_blocking(move || {
            pool.with(look)
                .map_err(|fault| fault.tell(&pool.path, doing))
        });
        answer.await.map_err(|_| StoreError::Gone)?
    }
}

impl Pool {
    fn with<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut conn = match idle {
            Some(conn) => conn,
            None => open::reading(&self.path, self.busy)?,
        };
        let answer = {
            let snapshot = conn.transaction()?;
            look(&snapshot)
        };
        // A connection that met an error is not lent again.
        if answer.is_ok() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(conn);
        }
        answer
    }
}

#[cfg(test)]
mod tests {

    /// Here and not in the suite: there is no public way to hand the reader a statement.
    #[test]
    fn a_connection_of_the_reader_cannot_write() {
        let dir = tempfile::tempdir().expect("a directory");
        let (_writer, reader) = super::super::open(dir.path(), Default::default()).expect("opens");
        for sql in [
            "DELETE FROM idempotency",
            "CREATE TABLE x (y)",
            "PRAGMA user_version = 9",
            "DELETE FROM runs",
        ] {
            let written = reader.pool.with(|db| Ok(db.execute_batch(sql)?));
            assert!(
                written.is_err_and(|e| e.to_string().contains("readonly")),
                "{sql}"
            );
        }
    }
}
