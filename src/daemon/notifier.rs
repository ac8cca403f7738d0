//! Tells a person of each event that needs one, by the command of `notify`. It stands beside the engine and follows the
//! stored events by number: no run waits for it, and whatever the command does, a failure is logged and counted and no
//! more. What is noted on the disk is up to which event people were told, so that a daemon that dies tells at most the few
//! again that were being told; those whose command still runs are waited for instead.
//!
//! Which events need a person is said by [`PublicEvent::needs_person`].

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::metrics::Metrics;
use crate::core::run::PublicEvent;
use crate::effect::private;
use crate::effect::{Notice, World, notices_dir, notify};
use crate::store::{StoreError, StoredEvent};

/// Events that are looked at together.
const PAGE: u32 = 256;
/// How long it waits after the store could not be asked.
const AGAIN: Duration = Duration::from_secs(1);
/// Up to which event people were told.
const TOLD: &str = "told";

/// The command, and what it is held to.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Run by `/bin/sh -c`, with the event as JSON on its standard input.
    pub command: String,
    /// Calls at a time.
    pub at_once: usize,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Notify {
    /// This command, with the usual bounds: 4 at a time, 30 seconds each.
    pub fn new(command: String) -> Self {
        Notify {
            command,
            at_once: 4,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Follows the events.
pub struct Notifier {
    world: Arc<World>,
    metrics: Arc<Metrics>,
    notify: Notify,
    told: u64,
}

impl Notifier {
    /// Takes up where an earlier daemon stopped; with a command for the first time, at the events that are still to come.
    /// Without a command it forgets where it was: what happens meanwhile is not told later.
    ///
    /// # Errors
    /// The last event cannot be read.
    pub async fn open(
        world: Arc<World>,
        metrics: Arc<Metrics>,
        notify: Option<Notify>,
    ) -> Result<Option<Self>, StoreError> {
        let dir = notices_dir(&world.data_dir);
        let Some(notify) = notify else {
            if let Err(error) = std::fs::remove_file(dir.join(TOLD))
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(dir = %dir.display(), %error, "failed to forget what was notified");
            }
            return Ok(None);
        };
        let last = world.reader.last_event().await?;
        let noted = std::fs::read_to_string(dir.join(TOLD))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let notifier = Notifier {
            world,
            metrics,
            notify,
            // A database that was put back to an earlier time has fewer events.
            told: noted.map_or(last, |noted: u64| noted.min(last)),
        };
        notifier.note();
        Ok(Some(notifier))
    }

    /// Tells, until the engine is gone.
    pub async fn run(mut self, mut news: watch::Receiver<u64>) {
        loop {
            news.borrow_and_update();
            match self.pass().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "failed to look for what to notify of");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells the next few; whether there may be more.
    async fn pass(&mut self) -> Result<bool, StoreError> {
        let page = self.world.reader.events(None, self.told, PAGE).await?;
        let Some((few, upto)) = batch(&page, self.notify.at_once) else {
            return Ok(false);
        };
        let none = few.is_empty();
        futures_util::future::join_all(few.into_iter().map(|event| self.tell(event))).await;
        self.told = upto;
        if !none || page.len() == PAGE as usize {
            self.note();
        }
        Ok(true)
    }

    async fn tell(&self, event: &StoredEvent) {
        let json = self.words(event).await;
        let notice = Notice {
            command: &self.notify.command,
            run_id: &event.run_id,
            seq: event.seq,
            json: &json,
            timeout: self.notify.timeout,
        };
        if let Err(why) = notify(&self.world, &notice).await {
            tracing::warn!(run = %event.run_id, event = event.kind, seq = event.seq, why, "the notify command failed");
            self.metrics.notifications_failed.inc();
        }
        self.metrics.notifications.inc();
    }

    /// The event as `GET /events` carries it, and which run it is about.
    async fn words(&self, event: &StoredEvent) -> String {
        let run = match self.world.reader.run(&event.run_id).await {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(run = %event.run_id, %error, "failed to read a run to notify of");
                None
            }
        };
        let spec = run.as_ref().map(|run| &run.spec);
        let at = jiff::Timestamp::from_millisecond(event.at.0).ok();
        let words = json!({
            "seq": event.seq,
            "type": event.kind,
            "run_id": event.run_id.0,
            "at": at.map(|at| at.to_string()),
            "payload": event.payload,
            "run_name": run.as_ref().map(|run| run.name()),
            "workspace_root": spec.map(|spec| &spec.workspace_root),
        });
        format!("{words}\n")
    }

    /// Notes on the disk up to where people were told. Where that fails, some are told again after a restart.
    fn note(&self) {
        let dir = notices_dir(&self.world.data_dir);
        if let Err(error) = write(&dir, self.told) {
            tracing::warn!(dir = %dir.display(), %error, "failed to note what was notified");
        }
    }
}

fn write(dir: &Path, told: u64) -> std::io::Result<()> {
    private::dir(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{told}")?;
    file.as_file().sync_all()?;
    file.persist(dir.join(TOLD)).map_err(|error| error.error)?;
    Ok(())
}

/// The first few events of a page that need a person, and the number up to which everything has been seen once they are
/// told; `None` for an empty page.
fn batch(page: &[StoredEvent], at_once: usize) -> Option<(Vec<&StoredEvent>, u64)> {
    let last = page.last()?.seq;
    let mut wanted = page.iter().filter(|event| needs_person(event));
    let few: Vec<&StoredEvent> = wanted.by_ref().take(at_once.max(1)).collect();
    // Another one waits: what lies between is looked at again.
    let upto = match (wanted.next(), few.last()) {
        (Some(_), Some(told)) => told.seq,
        (Some(_) | None, _) => last,
    };
    Some((few, upto))
}

fn needs_person(event: &StoredEvent) -> bool {
    let tagged = json!({ "type": event.kind, "payload": event.payload });
    // One of another version that this one does not know says nothing to it.
    serde_json::from_value(tagged).is_ok_and(|event: PublicEvent| event.needs_person())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::run::RunId;
    use crate::core::time::Time;

    fn event(seq: u64, kind: &str) -> StoredEvent {
        StoredEvent {
            seq,
            run_id: RunId("run".to_owned()),
            at: Time(0),
            kind: kind.to_owned(),
            payload: json!({ "reason": "x", "message": "y" }),
        }
    }

    fn seqs(page: &[StoredEvent], at_once: usize) -> Option<(Vec<u64>, u64)> {
        let (few, upto) = batch(page, at_once)?;
        Some((few.iter().map(|event| event.seq).collect(), upto))
    }

    #[test]
    fn a_batch_is_bounded_and_leaves_out_nothing() {
        let page = [
            event(3, "RUN_FAILED"),
            event(4, "RUN_CANCELED"),
            event(5, "RUN_FAILED"),
            event(6, "A_KIND_OF_TOMORROW"),
            event(7, "RUN_FAILED"),
            event(8, "RUN_CANCELED"),
        ];
        assert_eq!(seqs(&page, 2), Some((vec![3, 5], 5)));
        assert_eq!(seqs(&page[3..], 2), Some((vec![7], 8)));
        assert_eq!(seqs(&page[..4], 2), Some((vec![3, 5], 6)));
        assert_eq!(seqs(&page[5..], 2), Some((vec![], 8)));
        assert_eq!(seqs(&[], 2), None);
    }
}
