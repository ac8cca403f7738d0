//! The newest public events, read once for all who listen. A stream that has caught up takes its next event from here, so
//! that an event costs one look into the database however many clients wait for it, and is written as JSON once; only
//! who is further behind reads pages of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use crate::api::view;
use crate::core::run::RunId;
use crate::store::{Reader, StoreError, StoredEvent};

/// Events that are kept.
const KEPT: usize = 1024;
/// Events that are read at a time.
const PAGE: u32 = 200;

/// An event as it is sent.
#[derive(Debug)]
pub(in crate::api) struct Told {
    pub seq: u64,
    run: RunId,
    pub kind: String,
    /// The `data:` of its message.
    pub data: String,
}

impl Told {
    /// `None` for an event that cannot be written as JSON; such a one is not stored.
    pub(super) fn of(event: StoredEvent) -> Option<Self> {
        let (seq, run, kind) = (event.seq, event.run_id.clone(), event.kind.clone());
        let data = serde_json::to_string(&view::record(event)).ok()?;
        Some(Told {
            seq,
            run,
            kind,
            data,
        })
    }
}

/// What follows a place in the stream.
#[derive(Debug)]
pub(super) enum Next {
    /// This event.
    Event(Arc<Told>),
    /// Nothing yet: all events up to this number have been looked at.
    Nothing { upto: u64 },
    /// It is older than what is kept here: everything up to this number has to be read from the database.
    Older { upto: u64 },
}

/// The newest events, in their order and without a gap.
#[derive(Debug)]
pub(in crate::api) struct Recent {
    reader: Reader,
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    /// Says that there may be more.
    told: watch::Receiver<u64>,
    /// It may have said so before the last look was done.
    stale: bool,
    /// Events with numbers above this one are here, as far as they were there at the last look.
    from: u64,
    upto: u64,
    begun: bool,
    events: VecDeque<Arc<Told>>,
}

impl Recent {
    pub(in crate::api) fn new(reader: Reader, told: watch::Receiver<u64>) -> Self {
        let shelf = Shelf {
            told,
            stale: true,
            from: 0,
            upto: 0,
            begun: false,
            events: VecDeque::new(),
        };
        Recent {
            reader,
            shelf: Mutex::new(shelf),
        }
    }

    /// The first event after `after`, of one run or of all. Whoever looks at the engine's count before it asks here, and
    /// waits for that count to change when there is nothing, misses no event.
    pub(super) async fn next(&self, run: Option<&RunId>, after: u64) -> Result<Next, StoreError> {
        let mut shelf = self.shelf.lock().await;
        self.refresh(&mut shelf).await?;
        Ok(shelf.next(run, after))
    }

    /// Reads what has come since the last look; whoever comes meanwhile waits for this, and need not read it again.
    async fn refresh(&self, shelf: &mut Shelf) -> Result<(), StoreError> {
        if !shelf.stale && !shelf.told.has_changed().unwrap_or(true) {
            return Ok(());
        }
        // Before the look: what is told from now on asks for another one.
        shelf.told.borrow_and_update();
        shelf.stale = true;
        if !shelf.begun {
            let last = self.reader.last_event().await?;
            (shelf.from, shelf.upto, shelf.begun) = (last, last, true);
        } else {
            loop {
                let page = self.reader.events(None, shelf.upto, PAGE).await?;
                let whole = page.len() < PAGE as usize;
                shelf.add(page);
                if whole {
                    break;
                }
            }
        }
        shelf.stale = false;
        Ok(())
    }
}

impl Shelf {
    fn add(&mut self, page: Vec<StoredEvent>) {
        for event in page {
            self.upto = event.seq;
            self.events.extend(Told::of(event).map(Arc::new));
        }
        while self.events.len() > KEPT {
            if let Some(old) = self.events.pop_front() {
                self.from = old.seq;
            }
        }
    }

    fn next(&self, run: Option<&RunId>, after: u64) -> Next {
        if after < self.from {
            return Next::Older { upto: self.from };
        }
        let at = self.events.partition_point(|event| event.seq <= after);
        let mut rest = self.events.range(at..);
        match rest.find(|event| run.is_none_or(|run| event.run == *run)) {
            Some(event) => Next::Event(Arc::clone(event)),
            None => Next::Nothing {
                upto: self.upto.max(after),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::time::Time;

    fn event(seq: u64, run: &str) -> StoredEvent {
        StoredEvent {
            seq,
            run_id: RunId(run.to_owned()),
            at: Time(0),
            kind: "RUN_PAUSED".to_owned(),
            payload: json!({}),
        }
    }

    fn shelf(from: u64, events: impl Iterator<Item = u64>) -> Shelf {
        let (_tell, told) = watch::channel(0);
        let mut shelf = Shelf {
            told,
            stale: false,
            from,
            upto: from,
            begun: true,
            events: VecDeque::new(),
        };
        let run = |seq: u64| if seq.is_multiple_of(2) { "even" } else { "odd" };
        shelf.add(events.map(|seq| event(seq, run(seq))).collect());
        shelf
    }

    fn walk(shelf: &Shelf, run: Option<&str>, mut after: u64) -> (Vec<u64>, u64) {
        let run = run.map(|run| RunId(run.to_owned()));
        let mut seen = Vec::new();
        loop {
            match shelf.next(run.as_ref(), after) {
                Next::Event(event) => {
                    after = event.seq;
                    seen.push(after);
                }
                Next::Nothing { upto } => return (seen, upto),
                Next::Older { upto } => panic!("older than {upto}"),
            }
        }
    }

    #[test]
    fn every_event_follows_the_one_before_and_a_run_hears_of_itself_alone() {
        let shelf = shelf(10, 11..=20);
        assert_eq!(walk(&shelf, None, 10), ((11..=20).collect(), 20));
        assert_eq!(walk(&shelf, Some("even"), 14), (vec![16, 18, 20], 20));
        assert_eq!(walk(&shelf, Some("other"), 10), (vec![], 20));
        assert_eq!(
            walk(&shelf, None, 99),
            (vec![], 99),
            "a place that is still to come"
        );
        assert!(matches!(shelf.next(None, 9), Next::Older { upto: 10 }));
    }

    #[test]
    fn only_the_newest_are_kept_and_who_is_behind_them_is_told_so() {
        let kept = KEPT as u64;
        let shelf = shelf(0, 1..=kept + 5);
        assert_eq!(shelf.events.len(), KEPT);
        assert!(matches!(shelf.next(None, 4), Next::Older { upto: 5 }));
        assert_eq!(walk(&shelf, None, 5).0.len(), KEPT);
    }
}
