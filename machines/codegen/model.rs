//! What a table says, as data: the TOML read entry by entry, so that one bad entry does not hide the next.
//! Nothing is judged here beyond its shape; whether the names and cells make sense is `check`'s question.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// One `machines/<name>.toml`, everything in the order in which the file says it.
pub struct Machine {
    pub head: Head,
    pub states: Vec<State>,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub updates: Vec<Update>,
    pub choices: Vec<Choice>,
    pub transitions: Vec<Transition>,
    pub refuse: Vec<Answered>,
    pub ignore: Vec<Answered>,
    pub timers: Vec<Timer>,
    pub always: Vec<Always>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub name: String,
    pub version: u32,
    pub initial: String,
    pub doc: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Waiting,
    Active,
    Held,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Operator,
    Scheduler,
    Worker,
    System,
    Timer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub name: String,
    pub kind: Kind,
    pub doc: String,
    #[serde(default)]
    pub needs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub name: String,
    pub from: Source,
    pub doc: String,
    /// Field names and their Rust types, verbatim.
    #[serde(default)]
    pub data: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub name: String,
    pub doc: String,
    /// The phase of the step that this effect begins.
    pub step: Option<String>,
    #[serde(default)]
    pub stops: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    pub name: String,
    pub doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub name: String,
    pub doc: String,
    pub answers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub from: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub on: Vec<String>,
    #[serde(default)]
    pub record: Vec<String>,
    pub choose: Option<String>,
    #[serde(rename = "to", deserialize_with = "targets")]
    pub targets: Vec<Target>,
    /// Beside a plain `to`; [`parse`] moves both into its only target.
    #[serde(default)]
    pub update: Vec<String>,
    #[serde(default)]
    pub effects: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The key under `to`; none beside a plain `to`.
    #[serde(skip)]
    pub answer: Option<String>,
    pub state: String,
    #[serde(default)]
    pub update: Vec<String>,
    #[serde(default)]
    pub effects: Vec<String>,
}

/// A row that moves nothing and says why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    #[serde(rename = "in")]
    pub states: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub on: Vec<String>,
    pub because: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    #[serde(rename = "in")]
    pub states: Vec<String>,
    pub due: String,
    pub fires: String,
}

/// An obligation over the whole graph.
#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum Always {
    PassThrough {
        to: String,
        through: String,
        because: String,
    },
    EffectWhenLeaving {
        group: Kind,
        sent_by: Option<Source>,
        effect: String,
        because: String,
    },
    UpdateWhenLeaving {
        state: String,
        #[serde(default)]
        except: Vec<String>,
        update: String,
        because: String,
    },
    UpdateWhenEntering {
        group: Option<Kind>,
        state: Option<String>,
        update: String,
        because: String,
    },
    OnlyFrom {
        to: String,
        from: Vec<String>,
        because: String,
    },
}

/// What the table says about one (state, event).
pub enum Cell<'a> {
    Move(&'a Transition),
    Refuse(&'a str),
    Ignore(&'a str),
}

/// One way from a state to a state (possibly the same one).
pub struct Edge<'a> {
    pub from: &'a State,
    pub event: &'a Event,
    pub to: &'a str,
    pub row: &'a Transition,
    pub target: &'a Target,
}

impl Kind {
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Source {
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Machine {
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }

    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }

    /// The states that a list of names and `@groups` means; unknown names mean none (`check` reports them).
    pub fn members(&self, names: &[String]) -> Vec<&State> {
        let means = |name: &str, state: &State| match name.strip_prefix('@') {
            Some("all") => true,
            Some(kind) => state.kind.name() == kind,
            None => state.name == name,
        };
        let states = self.states.iter();
        let one = |name: &String| {
            states
                .clone()
                .filter(|state| means(name, state))
                .collect::<Vec<_>>()
        };
        names.iter().flat_map(one).collect()
    }

    /// Everything that is said about a cell: exactly one thing in a sound table.
    pub fn cell(&self, state: &State, event: &Event) -> Vec<Cell<'_>> {
        let about = |states: &[String], on: &[String]| {
            let times = self
                .members(states)
                .iter()
                .filter(|member| member.name == state.name)
                .count();
            times * on.iter().filter(|name| **name == event.name).count()
        };
        let mut said = Vec::new();
        for row in &self.transitions {
            said.extend((0..about(&row.from, &row.on)).map(|_| Cell::Move(row)));
        }
        for row in &self.refuse {
            said.extend((0..about(&row.states, &row.on)).map(|_| Cell::Refuse(&row.because)));
        }
        for row in &self.ignore {
            said.extend((0..about(&row.states, &row.on)).map(|_| Cell::Ignore(&row.because)));
        }
        said
    }

    /// Every declared edge, by state, then by event, then by answer.
    pub fn edges(&self) -> Vec<Edge<'_>> {
        let mut edges = Vec::new();
        for from in &self.states {
            for event in &self.events {
                for cell in self.cell(from, event) {
                    let Cell::Move(row) = cell else { continue };
                    edges.extend(row.targets.iter().map(|target| {
                        let to = if target.state == "same" {
                            &from.name
                        } else {
                            &target.state
                        };
                        Edge {
                            from,
                            event,
                            to,
                            row,
                            target,
                        }
                    }));
                }
            }
        }
        edges
    }
}

impl Edge<'_> {
    pub fn updates(&self, name: &str) -> bool {
        self.row
            .record
            .iter()
            .chain(&self.target.update)
            .any(|update| update == name)
    }

    pub fn label(&self) -> String {
        match &self.target.answer {
            Some(answer) => format!("{} / {answer}", self.event.name),
            None => self.event.name.clone(),
        }
    }
}

/// Reads a table. What cannot be read is told in `problems`, entry by entry; `None` only without a usable `[machine]`.
pub fn parse(text: &str, problems: &mut Vec<String>) -> Option<Machine> {
    let mut root: Table = toml::from_str(text)
        .map_err(|e| problems.push(e.to_string()))
        .ok()?;
    let head = root
        .remove("machine")
        .unwrap_or_else(|| Value::Table(Table::new()));
    let head = head
        .try_into::<Head>()
        .map_err(|e| problems.push(format!("[machine]: {}", e.message())));
    let mut machine = Machine {
        states: named(&mut root, "states", problems),
        events: named(&mut root, "events", problems),
        effects: named(&mut root, "effects", problems),
        updates: named(&mut root, "updates", problems),
        choices: named(&mut root, "choices", problems),
        transitions: rows(&mut root, "transitions", problems),
        refuse: rows(&mut root, "refuse", problems),
        ignore: rows(&mut root, "ignore", problems),
        timers: rows(&mut root, "timers", problems),
        always: rows(&mut root, "always", problems),
        head: head.ok()?,
    };
    problems.extend(root.keys().map(|key| format!("unknown section `{key}`")));
    for row in &mut machine.transitions {
        let beside = !row.update.is_empty() || !row.effects.is_empty();
        match (row.targets.as_mut_slice(), &row.choose) {
            ([only], None) if only.answer.is_none() => {
                only.update = std::mem::take(&mut row.update);
                only.effects = std::mem::take(&mut row.effects);
            }
            _ if beside => problems.push(format!(
                "transition from {:?} on {:?}: `update` and `effects` belong into the answers of its choice",
                row.from, row.on
            )),
            _ => {}
        }
    }
    Some(machine)
}

/// The entries of `[section.<name>]`; a plain string is an entry that has nothing but its doc.
fn named<T: DeserializeOwned>(
    root: &mut Table,
    section: &str,
    problems: &mut Vec<String>,
) -> Vec<T> {
    let entries = match root.remove(section) {
        Some(Value::Table(entries)) => entries,
        Some(_) => {
            problems.push(format!("`{section}` is not a table"));
            return Vec::new();
        }
        None => return Vec::new(),
    };
    let mut read = Vec::new();
    for (name, value) in entries {
        let mut entry = match value {
            Value::Table(entry) => entry,
            doc => Table::from_iter([("doc".to_owned(), doc)]),
        };
        if entry
            .insert("name".to_owned(), Value::String(name.clone()))
            .is_some()
        {
            problems.push(format!("{section}.{name}: unknown field `name`"));
        }
        match entry.try_into() {
            Ok(entry) => read.push(entry),
            Err(e) => problems.push(format!("{section}.{name}: {}", e.message())),
        }
    }
    read
}

/// The rows of `[[section]]`.
fn rows<T: DeserializeOwned>(
    root: &mut Table,
    section: &str,
    problems: &mut Vec<String>,
) -> Vec<T> {
    let rows = match root.remove(section) {
        Some(Value::Array(rows)) => rows,
        Some(_) => {
            problems.push(format!("`{section}` is not a list of tables"));
            return Vec::new();
        }
        None => return Vec::new(),
    };
    let mut read = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        let shown = row.to_string();
        match row.try_into() {
            Ok(row) => read.push(row),
            Err(e) => problems.push(format!(
                "{section} row {}: {} in {shown}",
                at + 1,
                e.message()
            )),
        }
    }
    read
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::String(one) => Ok(vec![one]),
        many => many.try_into().map_err(D::Error::custom),
    }
}

fn targets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Target>, D::Error> {
    let one = |(answer, value): (String, Value)| {
        let mut target: Target = value.try_into().map_err(|e: toml::de::Error| {
            D::Error::custom(format!("to.{answer}: {}", e.message()))
        })?;
        target.answer = Some(answer);
        Ok(target)
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
