//! What every generated machine shares: the kinds of a state, who may send an event, and the three answers of a step.
//! The machines themselves are generated from `machines/*.toml`; nothing here knows a state or an event by name.

use serde::{Deserialize, Serialize};

/// What a state means to slots, SQL, colours and the `@groups` of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Waits for the scheduler; holds no slot.
    Waiting,
    /// Has work in progress; holds a slot.
    Active,
    /// Waits for a person.
    Held,
    /// Over, unless a person starts it anew.
    Ended,
}

impl Kind {
    /// The name used in the tables and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Waiting => "waiting",
            Kind::Active => "active",
            Kind::Held => "held",
            Kind::Ended => "ended",
        }
    }
}

/// Who may send an event. The API can only build `Operator` events; `Worker` events carry the generation they report on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A person, through the API.
    Operator,
    /// The scheduler's plan.
    Scheduler,
    /// The performer of an effect; checked against the generation.
    Worker,
    /// The daemon itself, about something that has no generation.
    System,
    /// A stored timer.
    Timer,
}

/// What a machine answers to an event: never a bare bool.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<S, F, E> {
    /// The event moved the machine (possibly to the same state, with other facts).
    Moved(Moved<S, F, E>),
    /// A harmless race; nothing changes. The text says why.
    Ignored(&'static str),
    /// The sender asked for something that the table refuses; nothing changes. The text says why.
    Refused(&'static str),
}

/// A declared move, with everything that has to be stored for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved<S, F, E> {
    /// State before.
    pub from: S,
    /// State after.
    pub to: S,
    /// The answer of the row's choice; `None` where the row has no choice.
    pub answer: Option<&'static str>,
    /// The facts after every update of the row.
    pub facts: F,
    /// What the shell has to do, in this order.
    pub effects: Vec<E>,
}

impl<S, F, E> Outcome<S, F, E> {
    /// A declared move; what the generated `step` answers with.
    pub fn moved(from: S, to: S, answer: Option<&'static str>, facts: F, effects: Vec<E>) -> Self {
        Outcome::Moved(Moved {
            from,
            to,
            answer,
            facts,
            effects,
        })
    }
}

/// Why a worker's report about an earlier generation moves nothing, whatever its cell says.
pub const STALE_GENERATION: &str =
    "stale generation: the report is about a step that has been superseded";

/// One declared way from a state to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge<S, N> {
    /// State before.
    pub from: S,
    /// The event that takes this way.
    pub event: N,
    /// The answer of the row's choice; `None` where the row has no choice.
    pub answer: Option<&'static str>,
    /// State after; the same one where an event only changes facts.
    pub to: S,
}

/// What a table says about one (state, event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<S: 'static> {
    /// The event moves on, to one of these states.
    Moves(&'static [S]),
    /// The sender is told no, with this text.
    Refused(&'static str),
    /// Nothing happens, for this reason.
    Ignored(&'static str),
}

/// A state, event or effect that no table knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}` (known: {})", known.join(", "))]
pub struct UnknownName {
    /// What was looked for: state, event or effect.
    pub what: &'static str,
    /// What was given.
    pub name: String,
    /// Every name that would have done, in table order.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    /// The error for `name`, which is none of the `known` ones.
    pub fn new(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        UnknownName {
            what,
            name: name.to_owned(),
            known: known.into_iter().collect(),
        }
    }
}

/// The check on the `kind` column of every entity's table. It names kinds, never states: SQLite cannot alter a check,
/// and the triggers in each machine's `SQL` already tie the kind to the state.
pub const KINDS_CHECK: &str = "kind IN ('waiting', 'active', 'held', 'ended')";
