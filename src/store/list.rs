//! Lists of runs for people, newest first and in pages; and how many there are of each state.

use rusqlite::ToSql;

use super::Reader;
use super::codec::{int, nat};
use super::error::{Fault, StoreError};
use super::rows::{self, StoredHandover, StoredRun};
use crate::core::run::{RunId, State};

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these states; empty means all.
    pub states: Vec<State>,
    /// Only this workspace, as it was given at creation.
    pub workspace_root: Option<String>,
    /// Only this repository, by its canonical git common directory, whatever path into it was given.
    pub workspace_key: Option<String>,
    /// Only runs with smaller numbers: the cursor of the page before.
    pub before: Option<u64>,
    /// At most so many; at least one is looked for.
    pub limit: u32,
}

/// A page of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Newest first.
    pub runs: Vec<StoredRun>,
    /// The handovers of those of them that have ended, in no order.
    pub handovers: Vec<StoredHandover>,
    /// [`Filter::before`] of the next page; `None` on the last one.
    pub next: Option<u64>,
}

impl Reader {
    /// One page of runs, newest first.
    pub async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.ask("list runs", move |db| {
            let limit = filter.limit.max(1);
            let (before, more) = (filter.before.map(int), i64::from(limit) + 1);
            let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
            let (mut terms, mut values): (Vec<&str>, Vec<&dyn ToSql>) = (vec!["1"], Vec::new());
            if let Some(root) = &filter.workspace_root {
                terms.push("workspace_root = ?");
                values.push(root);
            }
            if let Some(key) = &filter.workspace_key {
                terms.push("workspace_key = ?");
                values.push(key);
            }
            if let Some(before) = &before {
                terms.push("number < ?");
                values.push(before);
            }
            let marks = format!("state IN ({})", vec!["?"; states.len()].join(", "));
            if !states.is_empty() {
                terms.push(&marks);
                values.extend(states.iter().map(|state| state as &dyn ToSql));
            }
            values.push(&more);
            let terms = terms.join(" AND ");
            let sql = format!(
                "SELECT {} FROM runs WHERE {terms} ORDER BY number DESC LIMIT ?",
                rows::RUN
            );
            let mut select = db.prepare_cached(&sql)?;
            let mut found = select.query(values.as_slice())?;
            let mut runs = Vec::new();
            while let Some(row) = found.next()? {
                runs.push(rows::run(row)?);
            }
            let over = runs.len() > limit as usize;
            runs.truncate(limit as usize);
            let next = runs.last().filter(|_| over).map(|last| last.number);
            let ids: Vec<&RunId> = runs.iter().map(|run| &run.id).collect();
            let handovers = rows::handovers(db, &ids)?;
            Ok(Page {
                runs,
                handovers,
                next,
            })
        })
        .await
    }

    /// How many runs stand in each state, for every state of the table.
    pub async fn counts(&self) -> Result<Vec<(State, u64)>, StoreError> {
        self.ask("count runs", |db| {
            let mut select = db.prepare_cached("SELECT count(*) FROM runs WHERE state = ?1")?;
            let count = |state: &State| -> Result<(State, u64), Fault> {
                let n: i64 = select.query_row([state.as_str()], |row| row.get(0))?;
                Ok((*state, nat(n)))
            };
            State::ALL.iter().map(count).collect()
        })
        .await
    }
}
