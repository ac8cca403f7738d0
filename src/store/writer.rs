//! The writer: one thread that owns the only connection that can write, a bounded queue of requests to it, and one
//! IMMEDIATE transaction for each request. Every request is answered after its commit, so what was answered is stored.
//! What the requests do stands in the files that are named after them. There is no group commit: the engine asks for
//! one thing at a time and waits for the answer, so there would be nothing to group.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::answered::answered;
use super::error::{Fault, StoreError};
use crate::crash::{Crash, Place};

/// Requests that may wait; the sender waits when there are more.
const QUEUE: usize = 64;

/// A handle to the writer. The thread ends, and closes the database, when the last handle is gone.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Desk) -> ControlFlow<()> + Send>;

/// What the thread has before it.
struct Desk {
    conn: Connection,
    path: Arc<Path>,
    crash: Crash,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        conn: Connection,
        path: Arc<Path>,
        crash: Crash,
    ) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        let file: PathBuf = path.to_path_buf();
        let mut desk = Desk { conn, path, crash };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    if job(&mut desk).is_break() {
                        return;
                    }
                }
            })
            .map_err(|source| StoreError::Open { path: file, source })?;
        Ok(Writer { jobs })
    }

    /// Has `work` done inside a transaction of its own; its answer comes after the commit. `doing` is for error texts.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            let result = match desk.transact(doing, work) {
                Ok(ControlFlow::Continue(value)) => Ok(value),
                Ok(ControlFlow::Break(())) => return ControlFlow::Break(()),
                Err(fault) => Err(fault.tell(&desk.path, doing)),
            };
            // Whoever asked may have gone away; what was asked for is stored all the same.
            let _ = reply.send(result);
            ControlFlow::Continue(())
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Gone)?;
        answered(&self.jobs, answer)
            .await
            .unwrap_or(Err(StoreError::Gone))
    }

    /// Ends the writer after everything asked before, and returns when the database is closed. Other handles get
    /// [`StoreError::Gone`] from then on.
    pub async fn close(self) {
        let (closed, wait) = oneshot::channel::<()>();
        let job: Job = Box::new(move |desk| {
            // The last connection to be closed folds the log into the file, and this is not the last one: readers stay.
            fold(&desk.conn, &desk.path);
            // The thread's own drop of the connection would come after the answer.
            if let Ok(empty) = Connection::open_in_memory() {
                drop(std::mem::replace(&mut desk.conn, empty));
            }
            drop(closed);
            ControlFlow::Break(())
        });
        if self.jobs.send(job).await.is_ok() {
            answered(&self.jobs, wait).await;
        }
    }
}

/// Folds the log into the database, so that after an orderly end a copy of that file alone is whole.
fn fold(conn: &Connection, path: &Path) {
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, bool>(0)
    });
    match busy {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!(path = %path.display(), "somebody reads the database: its log is kept beside it");
        }
        // Nothing is lost: the log is read by whoever opens the database next.
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "failed to fold the log into the database");
        }
    }
}

impl Desk {
    /// `Break` means that the daemon has died here.
    fn transact<T>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<ControlFlow<(), T>, Fault> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        if self.crash.pass(Place::Before, doing) {
            return Ok(ControlFlow::Break(()));
        }
        tx.commit()?;
        if self.crash.pass(Place::After, doing) {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(value))
    }
}
