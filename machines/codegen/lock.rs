//! A changed table needs a new version: rows in people's databases name the version that wrote them.
//! `machines/versions.lock` remembers, for each table, its version and the fingerprint of what the table does.

use toml::{Table, Value};

use super::model::{Machine, Says};

/// The entry that the lock should have for this table.
pub fn entry(machine: &Machine) -> String {
    let (name, version) = (&machine.head.name, machine.head.version);
    let fingerprint = fingerprint(machine);
    format!("[{name}]\nversion = {version}\nfingerprint = \"{fingerprint}\"\n")
}

/// A table that changed under its old version. A missing or older entry is fine here; a test asks for the refresh.
pub fn problem(machine: &Machine, lock: &str) -> Option<String> {
    let (name, version) = (&machine.head.name, i64::from(machine.head.version));
    let lock: Table = match toml::from_str(lock) {
        Ok(lock) => lock,
        Err(e) => return Some(format!("machines/versions.lock: {}", e.message())),
    };
    let locked = lock
        .get(name)?
        .get("version")
        .and_then(Value::as_integer)
        .unwrap_or_default();
    let fingerprint_then = lock.get(name)?.get("fingerprint").and_then(Value::as_str);
    if locked > version {
        return Some(format!(
            "[machine]: version {version} is lower than the locked {locked}"
        ));
    }
    (locked == version && fingerprint_then != Some(&fingerprint(machine))).then(|| {
        format!(
            "[machine]: the table changed, its version is still {version}: raise it to {}; if no \
             database was ever written with version {version}, take `[{name}]` out of \
             machines/versions.lock instead",
            version + 1
        )
    })
}

/// FNV-1a over what the table does: no docs, no wording, and not how its rows are cut.
fn fingerprint(machine: &Machine) -> String {
    let mut says = format!("initial {}\n", machine.head.initial);
    for state in &machine.states {
        says += &format!("state {} {:?} {:?}\n", state.name, state.kind, state.needs);
    }
    for event in &machine.events {
        says += &format!("event {} {:?}\n", event.name, event.from);
        for (field, kind) in &event.data {
            says += &format!("{field}: {}\n", kind.as_str().unwrap_or_default());
        }
    }
    for effect in &machine.effects {
        says += &format!(
            "effect {} {:?} {}\n",
            effect.name, effect.step, effect.stops
        );
    }
    for timer in &machine.timers {
        says += &format!("timer {:?} {} {}\n", timer.states, timer.due, timer.fires);
    }
    for (state, event) in machine.pairs() {
        says += &format!("{} {}\n", state.name, event.name);
        for cell in machine.cell(state, event) {
            let Says::Move(way) = cell else {
                says += if matches!(cell, Says::Refuse(_)) {
                    "refuse\n"
                } else {
                    "ignore\n"
                };
                continue;
            };
            says += &format!("move {:?} {:?}\n", way.record, way.choose);
            for to in &way.targets {
                let does = (&to.answer, &to.state, &to.update, &to.effects);
                says += &format!("{does:?}\n");
            }
        }
    }
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", says.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
}
