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
    /// Closed after all others; see [`Reader::start`].
    _last: Mutex<Option<Connection>>,
}

impl Reader {
    /// Opens the first connection, so that a database that cannot be read is told at the start. `last` is closed when all
    /// of the reader's are.
    pub(super) fn start(
        path: Arc<Path>,
        busy: Duration,
        last: Option<Connection>,
    ) -> Result<Self, StoreError> {
        let first = open::reading(&path, busy).map_err(|fault| fault.tell(&path, "open"))?;
        let permits = Semaphore::new(CONNECTIONS);
        Ok(Reader {
            pool: Arc::new(Pool {
                path,
                busy,
                permits,
                idle: Mutex::new(vec![first]),
                _last: Mutex::new(last),
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
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn so_many_questions_are_looked_at_at_the_same_time_and_no_more() {
        let dir = tempfile::tempdir().expect("a directory");
        let (_writer, reader) = super::super::open(dir.path(), Default::default()).expect("opens");
        // All that have room meet; whoever comes beside them is counted.
        let meet = Arc::new(Barrier::new(CONNECTIONS));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let asked = (0..8 * CONNECTIONS).map(|_| {
            let (meet, now, most) = (Arc::clone(&meet), Arc::clone(&now), Arc::clone(&most));
            reader.ask("meet", move |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                meet.wait();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        });
        for answer in futures_util::future::join_all(asked).await {
            answer.expect("answered");
        }
        assert_eq!(most.load(Ordering::SeqCst), CONNECTIONS);
        let idle = reader.pool.idle.lock().expect("not poisoned").len();
        assert!(idle <= CONNECTIONS, "{idle} connections are kept");
    }

    #[tokio::test]
    async fn a_question_sees_one_moment_whatever_is_written_meanwhile() {
        let dir = tempfile::tempdir().expect("a directory");
        let (_writer, reader) = super::super::open(dir.path(), Default::default()).expect("opens");
        let other = Connection::open(super::super::file(dir.path())).expect("opens");
        let tables = |db: &Connection| -> Result<u32, Fault> {
            Ok(db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
        };
        let looked = reader.ask("look twice", move |db| {
            let before = tables(db)?;
            other.execute_batch("CREATE TABLE meanwhile (x)")?;
            Ok((before, tables(db)?))
        });
        let (before, after) = looked.await.expect("answered");
        assert_eq!(before, after);
        let now = reader.ask("look again", tables).await.expect("answered");
        assert_eq!(now, before + 1);
    }

    #[tokio::test]
    async fn a_connection_that_met_an_error_is_not_lent_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (_writer, reader) = super::super::open(dir.path(), Default::default()).expect("opens");
        let broken = |db: &Connection| {
            db.execute_batch("CREATE TEMP TABLE mark (x)").ok();
            Err::<(), _>(Fault::unreadable("a value", "it is broken"))
        };
        reader.ask("fail", broken).await.expect_err("broken");
        assert_eq!(reader.pool.idle.lock().expect("not poisoned").len(), 0);
        reader.ask("look", |_| Ok(())).await.expect("a fresh one");
        assert_eq!(reader.pool.idle.lock().expect("not poisoned").len(), 1);
    }

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
