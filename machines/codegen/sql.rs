//! The guards of a machine as SQL: the database alone refuses what the table does not declare. The tables themselves
//! (`<name>s` and `journal`) belong to the store. Texts of RAISE stay constant: SQLite before 3.47 cannot read a schema
//! in which they are expressions, and people look into the database with whatever `sqlite3` they have.

use super::model::Machine;

/// A script that can be run again at any start, and inside a transaction.
pub fn render(machine: &Machine) -> String {
    let name = &machine.head.name;
    let states = machine
        .states
        .iter()
        .map(|s| format!("  ('{}', '{}')", s.name, s.kind.name()));
    let states = states.collect::<Vec<_>>().join(",\n");
    let edges = machine.edges();
    let edges = edges.iter().map(|edge| {
        let answer = edge
            .target
            .answer
            .as_ref()
            .map_or("NULL".to_owned(), |answer| format!("'{answer}'"));
        format!(
            "  ('{}', '{}', {answer}, '{}')",
            edge.from.name, edge.event.name, edge.to
        )
    });
    let edges = edges.collect::<Vec<_>>().join(",\n");
    let mut sql = format!(
        "-- Generated from machines/{name}.toml by machines/build.rs; do not edit.\n\
         DROP TABLE IF EXISTS {name}_states;\n\
         CREATE TABLE {name}_states (state TEXT PRIMARY KEY, kind TEXT NOT NULL) STRICT, WITHOUT ROWID;\n\
         INSERT INTO {name}_states (state, kind) VALUES\n{states};\n\n\
         DROP TABLE IF EXISTS {name}_edges;\n\
         CREATE TABLE {name}_edges (from_state TEXT NOT NULL, event TEXT NOT NULL, answer TEXT, to_state TEXT NOT NULL) STRICT;\n\
         INSERT INTO {name}_edges (from_state, event, answer, to_state) VALUES\n{edges};\n"
    );
    for (guard, on, when, because) in guards(machine) {
        sql += &format!(
            "\nDROP TRIGGER IF EXISTS {name}_{guard};\n\
             CREATE TRIGGER {name}_{guard} BEFORE {on}\n\
             WHEN {when}\n\
             BEGIN SELECT RAISE(ABORT, '{name}: {because}'); END;\n"
        );
    }
    sql
}

/// Name, event and table, condition, and the text of every trigger. RAISE takes a text without quotes.
fn guards(machine: &Machine) -> Vec<(String, String, String, String)> {
    let (name, initial) = (&machine.head.name, &machine.head.initial);
    let table = format!("{name}s");
    let (insert, update, delete) = (
        format!("INSERT ON {table}"),
        format!("UPDATE ON {table}"),
        format!("DELETE ON {table}"),
    );
    let guard = |guard: &str, on: &str, when: String, because: &str| {
        (guard.to_owned(), on.to_owned(), when, because.to_owned())
    };
    let mut guards = vec![
        guard(
            "starts_at_initial",
            &insert,
            format!("NEW.state IS NOT '{initial}'"),
            &format!("begins in the state {initial}"),
        ),
        guard(
            "is_inserted_once",
            &insert,
            format!("EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"),
            "exists already; a row is never replaced",
        ),
        guard(
            "keeps_its_id",
            &update,
            "NEW.id IS NOT OLD.id".to_owned(),
            "an id never changes",
        ),
        guard(
            "moves_by_journal",
            &update,
            format!(
                "(NEW.state IS NOT OLD.state OR NEW.rev IS NOT OLD.rev)\n\
                 \x20AND (NEW.rev IS NOT OLD.rev + 1 OR NOT EXISTS (\n\
                 \x20  SELECT 1 FROM journal AS j JOIN {name}_edges AS e\n\
                 \x20  ON e.from_state = j.from_state AND e.event = j.event AND e.answer IS j.answer AND e.to_state = j.to_state\n\
                 \x20  WHERE j.machine = '{name}' AND j.entity = OLD.id AND j.rev = NEW.rev\n\
                 \x20  AND j.from_state = OLD.state AND j.to_state = NEW.state))"
            ),
            "state and rev move only with a journal row of the next rev that names a declared edge",
        ),
        guard(
            "stays_until_ended",
            &delete,
            "OLD.kind IS NOT 'ended'".to_owned(),
            "only what has ended can be deleted",
        ),
    ];
    for (verb, on) in [("inserted", &insert), ("updated", &update)] {
        guards.push(guard(
            &format!("kind_when_{verb}"),
            on,
            format!("NEW.kind IS NOT (SELECT kind FROM {name}_states WHERE state = NEW.state)"),
            "the kind is not that of the state",
        ));
        guards.push(guard(
            &format!("end_when_{verb}"),
            on,
            "(NEW.ended_at IS NOT NULL) IS NOT (NEW.kind IS 'ended')".to_owned(),
            "ended_at is set exactly when the state has ended",
        ));
        for state in &machine.states {
            for fact in &state.needs {
                guards.push(guard(
                    &format!("{}_needs_{fact}_when_{verb}", state.name),
                    on,
                    format!("NEW.state IS '{}' AND NEW.{fact} IS NULL", state.name),
                    &format!("the state {} needs {fact}", state.name),
                ));
            }
        }
    }
    guards.extend([
        guard(
            "journal_is_appended",
            "INSERT ON journal",
            format!(
                "NEW.machine IS '{name}' AND (EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq)\n\
                 \x20OR EXISTS (SELECT 1 FROM journal WHERE machine = '{name}' AND entity = NEW.entity AND rev >= NEW.rev))"
            ),
            "the journal is only appended to, a row for each rev",
        ),
        guard(
            "journal_is_written_once",
            "UPDATE ON journal",
            format!("OLD.machine IS '{name}' OR NEW.machine IS '{name}'"),
            "a journal row never changes",
        ),
        guard(
            "journal_outlives",
            "DELETE ON journal",
            format!("OLD.machine IS '{name}' AND EXISTS (SELECT 1 FROM {table} WHERE id = OLD.entity)"),
            "journal rows stay as long as what they are about",
        ),
    ]);
    guards
}
