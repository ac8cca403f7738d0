//! What a table says, as data. Nothing is judged here: what follows from it is in `cells`, whether the names and cells make
//! sense is `check`'s question, and how the file spells them is `read`'s.

use serde::Deserialize;
use toml::Table;

/// One `machines/<name>.toml`, everything in the order in which the file says it.
pub struct Machine {
    pub head: Head,
    pub states: Vec<State>,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub updates: Vec<Update>,
    pub choices: Vec<Choice>,
    /// Transitions, then refusals, then what is ignored.
    pub rows: Vec<Row>,
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
    /// Whether it ends the live step.
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

/// What the table says about every pair of some states and some events.
pub struct Row {
    pub states: Vec<String>,
    pub on: Vec<String>,
    pub says: Says,
}

pub enum Says {
    Move(Move),
    Refuse(String),
    Ignore(String),
}

/// Updates that read the event, then perhaps a choice, then a target.
pub struct Move {
    pub record: Vec<String>,
    pub choose: Option<String>,
    pub targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The key under `to`; none beside a plain `to`.
    #[serde(skip)]
    pub answer: Option<String>,
    /// A state, or [`SAME`].
    pub state: String,
    #[serde(default)]
    pub update: Vec<String>,
    #[serde(default)]
    pub effects: Vec<String>,
}

/// The target that stands for the state before.
pub const SAME: &str = "same";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    #[serde(rename = "in")]
    pub states: Vec<String>,
    pub due: String,
    pub fires: String,
}

/// An obligation over the whole graph; every one says why.
#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum Always {
    /// Every path from the beginning to `to` passes `through`.
    PassThrough {
        to: String,
        through: String,
        because: String,
    },
    /// Every edge out of the group (by an event of that source) carries the effect.
    EffectWhenLeaving {
        group: Kind,
        sent_by: Option<Source>,
        effect: String,
        because: String,
    },
    /// Every edge from the state to another one, bar the exceptions, carries the update.
    UpdateWhenLeaving {
        state: String,
        #[serde(default)]
        except: Vec<String>,
        update: String,
        because: String,
    },
    /// Every edge into the group or the state, from outside it, carries the update.
    UpdateWhenEntering {
        group: Option<Kind>,
        state: Option<String>,
        update: String,
        because: String,
    },
    /// No other state has an edge into `to`.
    OnlyFrom {
        to: String,
        from: Vec<String>,
        because: String,
    },
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

impl Row {
    /// How problems call the row.
    pub fn title(&self) -> String {
        let verb = match self.says {
            Says::Move(_) => "transition",
            Says::Refuse(_) => "refusal",
            Says::Ignore(_) => "ignored",
        };
        format!(
            "{verb} in {} on {}",
            self.states.join(", "),
            self.on.join(", ")
        )
    }
}

impl Move {
    /// Where the row leads from a state, each state once.
    pub fn destinations<'a>(&'a self, from: &'a State) -> Vec<&'a str> {
        let mut to = Vec::new();
        for target in &self.targets {
            if !to.contains(&target.state(from)) {
                to.push(target.state(from));
            }
        }
        to
    }
}

impl Target {
    /// The state that the target means, coming from `from`.
    pub fn state<'a>(&'a self, from: &'a State) -> &'a str {
        if self.state == SAME {
            &from.name
        } else {
            &self.state
        }
    }
}
