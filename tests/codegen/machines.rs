//! The machines that have a table, each with a database that holds one row of it behind the guards, and nothing else of
//! the store. What the guards refuse is tried in `guards` and `rows`.

use agent_loop::core::machine::KINDS_CHECK;
use rusqlite::{Connection, params};

/// What a test needs to know of a machine.
pub(super) struct Machine {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    /// State, kind, needed facts; the initial state is the first.
    pub(super) states: Vec<(&'static str, &'static str, &'static [&'static str])>,
    pub(super) edges: Vec<(
        &'static str,
        &'static str,
        Option<&'static str>,
        &'static str,
    )>,
}

macro_rules! machine {
    ($name:literal, $($path:tt)+) => {{
        use $($path)+::{EDGES, SQL, State};
        assert_eq!(State::ALL[0], State::INITIAL);
        let state = |s: &State| (s.as_str(), s.kind().as_str(), s.needs());
        let edges = EDGES.iter().map(|e| (e.from.as_str(), e.event.as_str(), e.answer, e.to.as_str()));
        Machine { name: $name, sql: SQL, states: State::ALL.iter().map(state).collect(), edges: edges.collect() }
    }};
}

pub(super) fn machines() -> [Machine; 3] {
    [
        machine!("run", agent_loop::core::run),
        machine!("step", agent_loop::core::step),
        machine!("door", super::door),
    ]
}

impl Machine {
    fn facts(&self) -> Vec<&'static str> {
        let mut facts: Vec<_> = self
            .states
            .iter()
            .flat_map(|state| state.2)
            .copied()
            .collect();
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    fn kind(&self, state: &str) -> &'static str {
        self.states
            .iter()
            .find(|one| one.0 == state)
            .expect("the state is known")
            .1
    }

    /// A database with the tables of the store, the guards, and one entity `x` in `state` at rev 3.
    pub(super) fn holding(&self, state: &str) -> Connection {
        let db = Connection::open_in_memory().expect("a database in memory");
        let facts: String = self
            .facts()
            .iter()
            .map(|fact| format!(", {fact} TEXT"))
            .collect();
        let name = self.name;
        db.execute_batch(&format!(
            "CREATE TABLE {name}s (id TEXT PRIMARY KEY, state TEXT NOT NULL, kind TEXT NOT NULL CHECK ({KINDS_CHECK}),
               rev INTEGER NOT NULL, ended_at INTEGER{facts}) STRICT;
             CREATE TABLE journal (seq INTEGER PRIMARY KEY, machine TEXT, entity TEXT, rev INTEGER, at INTEGER, event TEXT,
               data TEXT, from_state TEXT, to_state TEXT, answer TEXT, version INTEGER) STRICT;"
        ))
        .expect("the tables are made");
        // The guards come afterwards: no legal way has to be walked to get there.
        let insert = format!(
            "INSERT INTO {name}s (id, state, kind, rev, ended_at) VALUES ('x', ?1, ?2, 3, ?3)"
        );
        let kind = self.kind(state);
        db.execute(
            &insert,
            params![state, kind, (kind == "ended").then_some(1)],
        )
        .expect("inserted");
        for fact in self.facts() {
            db.execute(&format!("UPDATE {name}s SET {fact} = 'known'"), [])
                .expect("the fact is set");
        }
        db.execute_batch(self.sql).expect("the guards are set");
        db
    }

    pub(super) fn journal(
        &self,
        db: &Connection,
        edge: (&str, &str, Option<&str>, &str),
        rev: i64,
    ) -> rusqlite::Result<usize> {
        let insert = "INSERT INTO journal (machine, entity, rev, from_state, event, answer, to_state) VALUES (?1, 'x', ?2, ?3, ?4, ?5, ?6)";
        db.execute(
            insert,
            params![self.name, rev, edge.0, edge.1, edge.2, edge.3],
        )
    }

    /// Moves `x` as the store would, in one statement.
    pub(super) fn set(&self, db: &Connection, state: &str, rev: i64) -> rusqlite::Result<usize> {
        let kind = self.kind(state);
        let update = format!(
            "UPDATE {}s SET state = ?1, kind = ?2, rev = ?3, ended_at = ?4",
            self.name
        );
        db.execute(
            &update,
            params![state, kind, rev, (kind == "ended").then_some(1)],
        )
    }

    pub(super) fn run(&self, db: &Connection, sql: &str) -> rusqlite::Result<usize> {
        db.execute(&sql.replace("TABLE", &format!("{}s", self.name)), [])
    }
}

#[track_caller]
pub(super) fn refused(result: rusqlite::Result<usize>, because: &str) {
    let text = result.expect_err("the database refuses it").to_string();
    assert!(text.contains(because), "{text:?} does not say {because:?}");
}

pub(super) const UNDECLARED: &str =
    "state and rev move only with a journal row of the next rev that names a declared edge";
