//! From TOML to a [`Machine`], entry by entry, so that one bad entry does not hide the next.
//! Unknown keys are errors; unknown names are left to `check`.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::model::{Head, Machine, Move, Row, Says, Target};

/// Reads a table and tells `problems` what cannot be read; `None` only without a usable `[machine]`.
pub fn parse(text: &str, problems: &mut Vec<String>) -> Option<Machine> {
    let root = toml::from_str(text).map_err(|e| problems.push(e.to_string()));
    let mut reader = Reader {
        root: root.ok()?,
        problems,
    };
    let head = reader
        .root
        .remove("machine")
        .unwrap_or(Value::Table(Table::new()));
    let head: Option<Head> = reader.entry("[machine]", head);
    let transitions: Vec<Transition> = reader.list("transitions");
    let transitions = transitions
        .into_iter()
        .map(|row| row.checked(reader.problems))
        .collect();
    let refusals: Vec<Answered> = reader.list("refuse");
    let refusals = refusals
        .into_iter()
        .map(|row| row.says(Says::Refuse))
        .collect();
    let ignored: Vec<Answered> = reader.list("ignore");
    let ignored = ignored
        .into_iter()
        .map(|row| row.says(Says::Ignore))
        .collect();
    let machine = Machine {
        states: reader.named("states"),
        events: reader.named("events"),
        effects: reader.named("effects"),
        updates: reader.named("updates"),
        choices: reader.named("choices"),
        rows: [transitions, refusals, ignored]
            .into_iter()
            .flat_map(|rows: Vec<Row>| rows)
            .collect(),
        timers: reader.list("timers"),
        always: reader.list("always"),
        head: head?,
    };
    let unknown = reader
        .root
        .keys()
        .map(|key| format!("unknown section `{key}`"));
    reader.problems.extend(unknown);
    Some(machine)
}

struct Reader<'a> {
    root: Table,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn entry<T: DeserializeOwned>(&mut self, at: &str, value: Value) -> Option<T> {
        let read = value.try_into();
        read.map_err(|e| self.problems.push(format!("{at}: {}", e.message().trim())))
            .ok()
    }

    /// The entries of `[section.<name>]`; a plain string is an entry that has nothing but its doc.
    fn named<T: DeserializeOwned>(&mut self, section: &str) -> Vec<T> {
        let entries = self
            .root
            .remove(section)
            .unwrap_or(Value::Table(Table::new()));
        let entries: Table = self.entry(section, entries).unwrap_or_default();
        let mut read = Vec::new();
        for (name, value) in entries {
            let at = format!("{section}.{name}");
            let mut entry = match value {
                Value::Table(entry) => entry,
                doc => Table::from_iter([("doc".to_owned(), doc)]),
            };
            if entry
                .insert("name".to_owned(), Value::String(name))
                .is_some()
            {
                self.problems.push(format!("{at}: unknown field `name`"));
            }
            read.extend(self.entry(&at, Value::Table(entry)));
        }
        read
    }

    /// The rows of `[[section]]`.
    fn list<T: DeserializeOwned>(&mut self, section: &str) -> Vec<T> {
        let rows = self
            .root
            .remove(section)
            .unwrap_or(Value::Array(Vec::new()));
        let rows: Vec<Value> = self.entry(section, rows).unwrap_or_default();
        let read = |(at, row): (usize, Value)| {
            let at = format!("{section} row {} ({row})", at + 1);
            self.entry(&at, row)
        };
        rows.into_iter().enumerate().filter_map(read).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transition {
    from: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    on: Vec<String>,
    #[serde(default)]
    record: Vec<String>,
    choose: Option<String>,
    #[serde(deserialize_with = "targets")]
    to: Vec<Target>,
    #[serde(default)]
    update: Vec<String>,
    #[serde(default)]
    effects: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    #[serde(rename = "in")]
    states: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    on: Vec<String>,
    because: String,
}

impl Transition {
    /// The row, with `update` and `effects` beside a plain `to` moved into its only target.
    fn checked(mut self, problems: &mut Vec<String>) -> Row {
        let beside = !self.update.is_empty() || !self.effects.is_empty();
        let plain = self.to.iter_mut().find(|target| target.answer.is_none());
        let has_answers = plain.is_none();
        if let Some(only) = plain {
            only.update = self.update;
            only.effects = self.effects;
        }
        let says = Move {
            record: self.record,
            choose: self.choose,
            targets: self.to,
        };
        let row = Row {
            states: self.from,
            on: self.on,
            says: Says::Move(says),
        };
        if has_answers && beside {
            let title = row.title();
            problems.push(format!(
                "{title}: `update` and `effects` belong into each `to.<answer>`"
            ));
        }
        row
    }
}

impl Answered {
    fn says(self, says: fn(String) -> Says) -> Row {
        Row {
            states: self.states,
            on: self.on,
            says: says(self.because),
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::String(one) => Ok(vec![one]),
        many => many.try_into().map_err(D::Error::custom),
    }
}

fn targets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Target>, D::Error> {
    let one = |(answer, value): (String, Value)| match value.try_into::<Target>() {
        Ok(target) => Ok(Target {
            answer: Some(answer),
            ..target
        }),
        Err(e) => Err(D::Error::custom(format!("to.{answer}: {}", e.message()))),
    };
    match Value::deserialize(from)? {
        Value::Table(answers) => answers.into_iter().map(one).collect(),
        state => {
            let state = state.try_into().map_err(D::Error::custom)?;
            Ok(vec![Target {
                answer: None,
                state,
                update: Vec::new(),
                effects: Vec::new(),
            }])
        }
    }
}
