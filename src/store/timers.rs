//! Stored timers: waits of an active run that end by themselves. The engine sleeps until the next one and sends what it
//! fires; time-outs of steps are not here, they belong to a keeper's monotonic clock.

use super::Reader;
use super::error::StoreError;
use super::rows;
use crate::core::run::{self, Event, RunId};
use crate::core::time::Time;

pub(super) const NEXT: &str = "SELECT min(due_at) FROM runs WHERE due_at IS NOT NULL";

pub(super) fn due() -> String {
    format!(
        "SELECT {} FROM runs WHERE due_at <= ?1 ORDER BY due_at, number",
        rows::RUN
    )
}

impl Reader {
    /// When the next stored timer is due; `None` when there is none.
    pub async fn next_timer(&self) -> Result<Option<Time>, StoreError> {
        self.ask("read the next timer", |db| {
            let next: Option<i64> = db.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
            Ok(next.map(Time))
        })
        .await
    }

    /// The runs whose timer is due, with the event that it fires; the longest due first.
    pub async fn due(&self, now: Time) -> Result<Vec<(RunId, Event)>, StoreError> {
        self.ask("read the timers that are due", move |db| {
            let mut select = db.prepare_cached(&due())?;
            let mut found = select.query([now.0])?;
            let mut due = Vec::new();
            while let Some(row) = found.next()? {
                let it = rows::run(row)?;
                due.extend(run::timer(it.state, &it.facts).map(|(_, event)| (it.id, event)));
            }
            Ok(due)
        })
        .await
    }
}
