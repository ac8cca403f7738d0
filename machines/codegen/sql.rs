//! The guards of a machine as SQL: the database alone refuses what the table does not declare. The tables themselves
//! (`<name>s` and `journal`) belong to the store. Texts of RAISE stay constant: SQLite before 3.47 cannot read a schema
//! in which they are expressions, and people look into the database with whatever `sqlite3` they have. The triggers have
//! fixed names, so that a newer table leaves none of an older one behind.

use super::model::Machine;

/// A script that can be run again at any start, and inside a transaction.
pub fn render(machine: &Machine) -> String {
    let (name, initial) = (&machine.head.name, &machine.head.initial);
    let table = format!("{name}s");
    let shape = shape(machine);
    let mut insert = vec![
        (
            format!("begins in the state {initial}"),
            format!("NEW.state IS NOT '{initial}'"),
        ),
        (
            "exists already, and a row is never replaced".to_owned(),
            format!("EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"),
        ),
    ];
    let mut update = vec![
        ("an id never changes".to_owned(), "NEW.id IS NOT OLD.id".to_owned()),
        (
            "state and rev move only with a journal row of the next rev that names a declared edge".to_owned(),
            format!(
                "(NEW.state IS NOT OLD.state OR NEW.rev IS NOT OLD.rev)
    AND (NEW.rev IS NOT OLD.rev + 1 OR NOT EXISTS (
      SELECT 1 FROM journal AS j JOIN {name}_edges AS e
      ON e.from_state = j.from_state AND e.event = j.event AND e.answer IS j.answer AND e.to_state = j.to_state
      WHERE j.machine = '{name}' AND j.entity = OLD.id AND j.rev = NEW.rev
      AND j.from_state = OLD.state AND j.to_state = NEW.state))"
            ),
        ),
    ];
    insert.extend(shape.clone());
    update.extend(shape);
    let delete = [(
        "only what has ended can be deleted".to_owned(),
        "OLD.kind IS NOT 'ended'".to_owned(),
    )];
    let append = [(
        "the journal is only appended to, with one row for each rev".to_owned(),
        format!(
            "NEW.machine IS '{name}' AND (EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq)
    OR EXISTS (SELECT 1 FROM journal WHERE machine = '{name}' AND entity = NEW.entity AND rev >= NEW.rev))"
        ),
    )];
    let rewrite = [(
        "a journal row never changes".to_owned(),
        format!("OLD.machine IS '{name}' OR NEW.machine IS '{name}'"),
    )];
    let forget = [(
        "journal rows stay as long as what they are about".to_owned(),
        format!("OLD.machine IS '{name}' AND EXISTS (SELECT 1 FROM {table} WHERE id = OLD.entity)"),
    )];
    [
        format!("-- Generated from machines/{name}.toml by machines/build.rs; do not edit.\n"),
        lookup(machine),
        trigger(name, "insert", &format!("INSERT ON {table}"), &insert),
        trigger(name, "update", &format!("UPDATE ON {table}"), &update),
        trigger(name, "delete", &format!("DELETE ON {table}"), &delete),
        trigger(name, "journal_insert", "INSERT ON journal", &append),
        trigger(name, "journal_update", "UPDATE ON journal", &rewrite),
        trigger(name, "journal_delete", "DELETE ON journal", &forget),
    ]
    .concat()
}

/// What has to hold for every row, whatever happens to it.
fn shape(machine: &Machine) -> Vec<(String, String)> {
    let name = &machine.head.name;
    let mut rules = vec![
        (
            "the kind is not that of the state".to_owned(),
            format!("NEW.kind IS NOT (SELECT kind FROM {name}_states WHERE state = NEW.state)"),
        ),
        (
            "ended_at is set exactly when the state has ended".to_owned(),
            "(NEW.ended_at IS NOT NULL) IS NOT (NEW.kind IS 'ended')".to_owned(),
        ),
    ];
    for state in &machine.states {
        rules.extend(state.needs.iter().map(|fact| {
            let missing = format!("NEW.state IS '{}' AND NEW.{fact} IS NULL", state.name);
            (format!("the state {} needs {fact}", state.name), missing)
        }));
    }
    rules
}

/// One trigger; each of its rules is a text (without quotes) and the condition under which it is raised.
fn trigger(name: &str, short: &str, on: &str, rules: &[(String, String)]) -> String {
    let raise = |(text, when): &(String, String)| {
        format!("  SELECT RAISE(ABORT, '{name}: {text}')\n    WHERE {when};\n")
    };
    let rules: String = rules.iter().map(raise).collect();
    format!(
        "\nDROP TRIGGER IF EXISTS {name}_{short};\nCREATE TRIGGER {name}_{short} BEFORE {on} BEGIN\n{rules}END;\n"
    )
}

/// The states and the edges as rows, for the triggers and for people.
fn lookup(machine: &Machine) -> String {
    let name = &machine.head.name;
    let states = machine
        .states
        .iter()
        .map(|s| format!("  ('{}', '{}')", s.name, s.kind.name()));
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
    format!(
        "DROP TABLE IF EXISTS {name}_states;
CREATE TABLE {name}_states (state TEXT PRIMARY KEY, kind TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO {name}_states (state, kind) VALUES
{};

DROP TABLE IF EXISTS {name}_edges;
CREATE TABLE {name}_edges (from_state TEXT NOT NULL, event TEXT NOT NULL, answer TEXT, to_state TEXT NOT NULL) STRICT;
INSERT INTO {name}_edges (from_state, event, answer, to_state) VALUES
{};
",
        states.collect::<Vec<_>>().join(",\n"),
        edges.collect::<Vec<_>>().join(",\n"),
    )
}
