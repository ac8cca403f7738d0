//! A changed table needs a new version: rows in people's databases name the version that wrote them.
//! `machines/versions.lock` remembers, for each table, its version and the fingerprint of what the table does.

use toml::Table;

use super::model::{Cell, Machine};

/// The entry that the lock should have for this table.
pub fn entry(machine: &Machine) -> String {
    let head = &machine.head;
    format!(
        "[{}]\nversion = {}\nfingerprint = \"{}\"\n",
        head.name,
        head.version,
        fingerprint(machine)
    )
}

/// A table that changed under its old version. A missing or an older entry is fine here; a test asks for the refresh.
pub fn problem(machine: &Machine, lock: &str) -> Option<String> {
    let (name, version) = (&machine.head.name, i64::from(machine.head.version));
    let lock: Table = match toml::from_str(lock) {
        Ok(lock) => lock,
        Err(e) => {
            return Some(format!(
                "machines/versions.lock cannot be read: {}",
                e.message()
            ));
        }
    };
    let entry = lock.get(name)?;
    let locked = entry
        .get("version")
        .and_then(toml::Value::as_integer)
        .unwrap_or_default();
    let same =
        entry.get("fingerprint").and_then(toml::Value::as_str) == Some(&fingerprint(machine));
    if locked > version {
        return Some(format!(
            "[machine]: version {version} is lower than {locked}, which machines/versions.lock knows"
        ));
    }
    (locked == version && !same).then(|| {
        format!(
            "[machine]: the table changed, its version is still {version}: raise it to {} \
             (or, if version {version} has never written to a database, take `[{name}]` out of machines/versions.lock)",
            version + 1
        )
    })
}

/// FNV-1a over what the table does: no docs, no wording, and not how its rows are cut.
fn fingerprint(machine: &Machine) -> String {
    let mut says = vec![format!("initial {}", machine.head.initial)];
    says.extend(
        machine
            .states
            .iter()
            .map(|s| format!("state {} {:?} {:?}", s.name, s.kind, s.needs)),
    );
    says.extend(
        machine
            .events
            .iter()
            .map(|e| format!("event {} {:?} {:?}", e.name, e.from, e.data)),
    );
    says.extend(
        machine
            .effects
            .iter()
            .map(|e| format!("effect {} {:?} {}", e.name, e.step, e.stops)),
    );
    says.extend(
        machine
            .timers
            .iter()
            .map(|t| format!("timer {:?} {} {}", t.states, t.due, t.fires)),
    );
    for state in &machine.states {
        for event in &machine.events {
            let cell = machine.cell(state, event);
            let said = cell.iter().map(|cell| match cell {
                Cell::Move(row) => {
                    let targets = row.targets.iter();
                    let targets = targets.map(|t| {
                        format!("{:?} {} {:?} {:?}", t.answer, t.state, t.update, t.effects)
                    });
                    format!(
                        "move {:?} {:?} {:?}",
                        row.record,
                        row.choose,
                        targets.collect::<Vec<_>>()
                    )
                }
                Cell::Refuse(_) => "refuse".to_owned(),
                Cell::Ignore(_) => "ignore".to_owned(),
            });
            says.push(format!(
                "{} {} {:?}",
                state.name,
                event.name,
                said.collect::<Vec<_>>()
            ));
        }
    }
    let bytes = says.join("\n").into_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
