//! Lists of runs for people, newest first and in pages; and how many there are of each state.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

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
            let (sql, values) = statement(&filter);
            let mut select = db.prepare_cached(&sql)?;
            let mut found = select.query(params_from_iter(values))?;
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

/// The statement that finds a page and one run more, and its values. Several states are asked for one by one and merged:
/// the runs of each stand in the order of the list already, so that nothing is sorted and no more is read than the page.
fn statement(filter: &Filter) -> (String, Vec<Value>) {
    let mut values = vec![Value::from(i64::from(filter.limit.max(1)) + 1)];
    let mut terms = vec!["1".to_owned()];
    let mut term = |column: &str, value: Value| {
        values.push(value);
        terms.push(format!("{column} ?{}", values.len()));
    };
    if let Some(root) = &filter.workspace_root {
        term("workspace_root =", root.clone().into());
    }
    if let Some(key) = &filter.workspace_key {
        term("workspace_key =", key.clone().into());
    }
    if let Some(before) = filter.before {
        term("number <", int(before).into());
    }
    let terms = terms.join(" AND ");
    // Of the table's order, and each but once.
    let states = State::ALL.iter().filter(|it| filter.states.contains(it));
    let marks = states.map(|state| {
        values.push(Value::from(state.as_str().to_owned()));
        format!("?{}", values.len())
    });
    let marks: Vec<String> = marks.collect();
    let of = |term: String| format!("SELECT {} FROM runs WHERE {terms}{term}", rows::RUN);
    let in_workspace = filter.workspace_root.is_some() || filter.workspace_key.is_some();
    let selects = match marks.is_empty() {
        true => of(String::new()),
        // Those of a workspace stand in that order by themselves, whatever their state.
        false if in_workspace => of(format!(" AND state IN ({})", marks.join(", "))),
        false => {
            let each = marks.iter().map(|mark| of(format!(" AND state = {mark}")));
            each.collect::<Vec<_>>().join(" UNION ALL ")
        }
    };
    (format!("{selects} ORDER BY number DESC LIMIT ?1"), values)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::{events, open, steps};

    /// What SQLite would do for it.
    fn plan(db: &Connection, sql: &str) -> Vec<String> {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut explain = db.prepare(&explain).expect("explains");
        let steps = explain.raw_query().mapped(|row| row.get(3));
        steps.collect::<Result<_, _>>().expect("explains")
    }

    /// Each filter, and all of them together.
    fn filters() -> Vec<Filter> {
        let mut all = Vec::new();
        for states in [
            &[][..],
            &[State::Failed],
            &[State::Running, State::Merging],
            State::ALL,
        ] {
            for workspace_root in [None, Some("/w".to_owned())] {
                for workspace_key in [None, Some("/w/.git".to_owned())] {
                    for before in [None, Some(7)] {
                        all.push(Filter {
                            states: states.to_vec(),
                            workspace_root: workspace_root.clone(),
                            workspace_key: workspace_key.clone(),
                            before,
                            limit: 50,
                        });
                    }
                }
            }
        }
        all
    }

    /// Here and not in the suite: it looks at the very statements.
    #[test]
    fn no_page_walks_through_history_or_sorts_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let _handles = crate::store::open(dir.path(), Default::default()).expect("opens");
        let db = Connection::open(open::file(dir.path())).expect("opens");
        let lists = filters();
        // Newest first is the order of the rows themselves: such a page stops when it is full.
        let newest = |filter: &Filter| {
            filter.states.is_empty()
                && filter.workspace_root.is_none()
                && filter.workspace_key.is_none()
        };
        let lists = lists.iter().map(|it| (statement(it).0, newest(it)));
        let others = [
            events::OF_ALL.to_owned(),
            events::OF_RUN.to_owned(),
            steps::of_run(),
        ];
        for (sql, may_walk) in lists.chain(others.map(|sql| (sql, false))) {
            let plan = plan(&db, &sql);
            assert!(!plan.is_empty(), "{sql}");
            for step in plan {
                assert!(!step.contains("TEMP B-TREE"), "{step} in {sql}");
                let walks = step.starts_with("SCAN") && !(may_walk && step == "SCAN runs");
                assert!(!walks, "{step} in {sql}");
            }
        }
    }
}
