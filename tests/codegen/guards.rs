//! The guards of moves: with nothing but SQL, every declared edge is accepted and everything else is refused. Run for each
//! machine that has a table, over all of its states and edges. What holds of a row besides is tried in `rows`.

use rusqlite::params;

use super::machines::{UNDECLARED, machines, refused};

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
