//! The guards of rows and of the journal, whatever moves: with nothing but SQL, a row has the shape of its state, is never
//! replaced and goes only when it has ended, and the journal is only appended to. Which moves are accepted is tried in
//! `guards`.

use super::machines::{machines, refused};

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
