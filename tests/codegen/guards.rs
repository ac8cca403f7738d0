//! The guards in the database: with nothing but SQL, every declared edge is accepted and everything else is refused.
//! Run for each machine that has a table, over all of its states and edges.

use agent_loop::core::machine::KINDS_CHECK;
use rusqlite::{Connection, params};

/// What a test needs to know of a machine.
struct Machine {
    name: &'static str,
    sql: &'static str,
    /// State, kind, needed facts; the initial state is the first.
    states: Vec<(&'static str, &'static str, &'static [&'static str])>,
    edges: Vec<(
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

fn machines() -> [Machine; 3] {
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
    fn holding(&self, state: &str) -> Connection {
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

    fn journal(
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
    fn set(&self, db: &Connection, state: &str, rev: i64) -> rusqlite::Result<usize> {
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

    fn run(&self, db: &Connection, sql: &str) -> rusqlite::Result<usize> {
        db.execute(&sql.replace("TABLE", &format!("{}s", self.name)), [])
    }
}

#[track_caller]
fn refused(result: rusqlite::Result<usize>, because: &str) {
    let text = result.expect_err("the database refuses it").to_string();
    assert!(text.contains(because), "{text:?} does not say {because:?}");
}

const UNDECLARED: &str =
    "state and rev move only with a journal row of the next rev that names a declared edge";

#[test]
fn every_declared_edge_is_accepted() {
    for machine in machines() {
        for edge in &machine.edges {
            let db = machine.holding(edge.0);
            machine
                .journal(&db, *edge, 4)
                .expect("the journal takes it");
            assert_eq!(
                machine.set(&db, edge.3, 4),
                Ok(1),
                "{}: {edge:?}",
                machine.name
            );
        }
    }
}

#[test]
fn every_undeclared_jump_is_refused_whatever_the_journal_claims() {
    for machine in machines() {
        let mut claims: Vec<_> = machine.edges.iter().map(|edge| (edge.1, edge.2)).collect();
        claims.sort_unstable();
        claims.dedup();
        let mut jumps = 0;
        for (from, ..) in &machine.states {
            let db = machine.holding(from);
            for (to, ..) in &machine.states {
                for (event, answer) in &claims {
                    let claim = (*from, *event, *answer, *to);
                    if machine.edges.contains(&claim) {
                        continue;
                    }
                    db.execute_batch("SAVEPOINT attempt").expect("a savepoint");
                    machine
                        .journal(&db, claim, 4)
                        .expect("the journal takes it");
                    refused(machine.set(&db, to, 4), UNDECLARED);
                    db.execute_batch("ROLLBACK TO attempt; RELEASE attempt")
                        .expect("rolled back");
                    jumps += 1;
                }
            }
        }
        let all = machine.states.len() * machine.states.len() * claims.len();
        assert_eq!(
            jumps,
            all - machine.edges.len(),
            "{}: every other jump was tried",
            machine.name
        );
    }
}

#[test]
fn a_bare_update_of_the_state_is_refused() {
    for machine in machines() {
        for (from, ..) in &machine.states {
            let db = machine.holding(from);
            for (to, ..) in machine.states.iter().filter(|state| state.0 != *from) {
                refused(machine.set(&db, to, 3), UNDECLARED);
                refused(machine.set(&db, to, 4), UNDECLARED);
            }
        }
    }
}

#[test]
fn a_rev_moves_by_one_and_only_with_its_journal_row() {
    for machine in machines() {
        let edge = machine.edges[0];
        let db = machine.holding(edge.0);
        refused(
            machine.run(&db, "UPDATE TABLE SET rev = rev + 1"),
            UNDECLARED,
        );
        refused(
            machine.run(&db, "UPDATE TABLE SET rev = rev - 1"),
            UNDECLARED,
        );
        machine.journal(&db, edge, 5).expect("the journal takes it");
        refused(machine.set(&db, edge.3, 5), UNDECLARED);
        refused(machine.set(&db, edge.3, 4), UNDECLARED);
    }
}

#[test]
fn the_journal_row_of_another_entity_or_machine_moves_nothing() {
    for machine in machines() {
        let (from, event, answer, to) = machine.edges[0];
        let db = machine.holding(from);
        let insert = "INSERT INTO journal (machine, entity, rev, from_state, event, answer, to_state) VALUES (?1, ?2, 4, ?3, ?4, ?5, ?6)";
        for (owner, entity) in [(machine.name, "y"), ("other", "x")] {
            db.execute(insert, params![owner, entity, from, event, answer, to])
                .expect("taken");
            refused(machine.set(&db, to, 4), UNDECLARED);
        }
    }
}

#[test]
fn kind_and_end_follow_the_state() {
    for machine in machines() {
        for (state, kind, _) in &machine.states {
            let db = machine.holding(state);
            for other in ["waiting", "active", "held", "ended"]
                .iter()
                .filter(|other| *other != kind)
            {
                refused(
                    machine.run(&db, &format!("UPDATE TABLE SET kind = '{other}'")),
                    "the kind is not that of the state",
                );
            }
            let flip = if *kind == "ended" { "NULL" } else { "1" };
            refused(
                machine.run(&db, &format!("UPDATE TABLE SET ended_at = {flip}")),
                "ended_at is set exactly when the state has ended",
            );
        }
    }
}

#[test]
fn a_needed_fact_cannot_be_absent_or_be_taken_away() {
    for machine in machines() {
        for (state, _, needs) in &machine.states {
            for fact in *needs {
                let says = format!("{}: the state {state} needs {fact}", machine.name);
                let db = machine.holding(state);
                refused(
                    machine.run(&db, &format!("UPDATE TABLE SET {fact} = NULL")),
                    &says,
                );
                for edge in machine.edges.iter().filter(|edge| edge.3 == *state) {
                    let db = machine.holding(edge.0);
                    if machine
                        .run(&db, &format!("UPDATE TABLE SET {fact} = NULL"))
                        .is_ok()
                    {
                        machine
                            .journal(&db, *edge, 4)
                            .expect("the journal takes it");
                        refused(machine.set(&db, edge.3, 4), &says);
                    }
                }
            }
        }
    }
}

#[test]
fn a_new_row_begins_at_the_beginning() {
    for machine in machines() {
        for (state, kind, _) in &machine.states[1..] {
            let db = machine.holding(machine.states[0].0);
            let end = if *kind == "ended" { "1" } else { "NULL" };
            let insert = format!(
                "INSERT INTO TABLE (id, state, kind, rev, ended_at) VALUES ('y', '{state}', '{kind}', 0, {end})"
            );
            refused(machine.run(&db, &insert), "begins in the state");
        }
    }
}

#[test]
fn a_new_row_has_the_shape_of_its_state() {
    for machine in machines() {
        let (initial, kind, _) = machine.states[0];
        let db = machine.holding(initial);
        let insert = |kind: &str, end: &str| {
            let values = format!("('y', '{initial}', '{kind}', 0, {end})");
            let columns = "(id, state, kind, rev, ended_at)";
            machine.run(&db, &format!("INSERT INTO TABLE {columns} VALUES {values}"))
        };
        refused(
            insert("active", "NULL"),
            "the kind is not that of the state",
        );
        refused(
            insert(kind, "1"),
            "ended_at is set exactly when the state has ended",
        );
        assert_eq!(insert(kind, "NULL"), Ok(1));
    }
}

#[test]
fn a_row_is_never_replaced_or_renamed() {
    for machine in machines() {
        let (initial, kind, _) = machine.states[0];
        for (state, ..) in &machine.states {
            let db = machine.holding(state);
            let values = format!("(id, state, kind, rev) VALUES ('x', '{initial}', '{kind}', 0)");
            refused(
                machine.run(&db, &format!("INSERT OR REPLACE INTO TABLE {values}")),
                "a row is never replaced",
            );
            refused(
                machine.run(&db, "UPDATE OR REPLACE TABLE SET id = 'y'"),
                "an id never changes",
            );
        }
    }
}

#[test]
fn only_what_has_ended_can_be_deleted_and_its_journal_after_it() {
    for machine in machines() {
        for (state, kind, _) in &machine.states {
            let db = machine.holding(state);
            machine
                .journal(&db, machine.edges[0], 4)
                .expect("the journal takes it");
            refused(
                machine.run(&db, "DELETE FROM journal"),
                "journal rows stay as long as what they are about",
            );
            let deleted = machine.run(&db, "DELETE FROM TABLE");
            if *kind != "ended" {
                refused(deleted, "only what has ended can be deleted");
                continue;
            }
            assert_eq!(deleted, Ok(1));
            assert_eq!(machine.run(&db, "DELETE FROM journal"), Ok(1));
        }
    }
}

#[test]
fn the_journal_is_only_appended_to() {
    for machine in machines() {
        let edge = machine.edges[0];
        let db = machine.holding(edge.0);
        machine.journal(&db, edge, 4).expect("the journal takes it");
        refused(
            machine.run(&db, "UPDATE journal SET event = 'other'"),
            "a journal row never changes",
        );
        refused(
            machine.run(&db, "UPDATE journal SET machine = 'other'"),
            "a journal row never changes",
        );
        refused(machine.journal(&db, edge, 4), "only appended to");
        refused(machine.journal(&db, edge, 3), "only appended to");
        let replace = format!(
            "INSERT OR REPLACE INTO journal (seq, machine, entity, rev) VALUES (1, '{}', 'z', 9)",
            machine.name
        );
        refused(machine.run(&db, &replace), "only appended to");
        db.execute(
            "INSERT INTO journal (machine, entity, rev) VALUES ('other', 'x', 4)",
            [],
        )
        .expect("not ours");
        let steal = format!(
            "UPDATE journal SET machine = '{}' WHERE machine = 'other'",
            machine.name
        );
        refused(machine.run(&db, &steal), "a journal row never changes");
    }
}

#[test]
fn the_script_can_run_again_in_a_transaction_and_leaves_no_guard_of_an_older_table() {
    for machine in machines() {
        let edge = machine.edges[0];
        let db = machine.holding(edge.0);
        let guards = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name)";
        let before: String = db
            .query_row(guards, [], |row| row.get(0))
            .expect("there are guards");
        // An older table allowed nothing and knew other states.
        db.execute_batch(&format!(
            "DELETE FROM {0}_edges; INSERT INTO {0}_states VALUES ('old', 'held')",
            machine.name
        ))
        .expect("aged");
        db.execute_batch(&format!("BEGIN; {} COMMIT;", machine.sql))
            .expect("runs again");
        let after: String = db
            .query_row(guards, [], |row| row.get(0))
            .expect("there are guards");
        assert_eq!(before, after);
        machine.journal(&db, edge, 4).expect("the journal takes it");
        assert_eq!(machine.set(&db, edge.3, 4), Ok(1));
        let states: i64 = db
            .query_row(
                &format!("SELECT count(*) FROM {}_states", machine.name),
                [],
                |row| row.get(0),
            )
            .expect("counted");
        assert_eq!(states, machine.states.len() as i64);
    }
}
