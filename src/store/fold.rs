//! Folds the journal of one run or step through its pure machine. Knows neither SQL nor which machine it is: the walk
//! over the database is in `replay`.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::journal::{CREATED, Recorded};
use crate::core::machine::Outcome;
use crate::core::time::Time;

/// Something stored that does not follow from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The id of the run or the step.
    pub entity: String,
    /// What differs: a column, a fact, or a part of a journal row.
    pub field: String,
    /// What follows from the journal and the machine.
    pub expected: String,
    /// What is stored.
    pub found: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Violation {
            entity,
            field,
            expected,
            found,
        } = self;
        write!(
            f,
            "{entity}: {field} is {found}, but {expected} follows from the journal"
        )
    }
}

/// Where the journal leads.
pub(super) struct End<F> {
    /// The last state; `None` without any row.
    pub(super) state: Option<String>,
    /// The last rev; 0 without any row.
    pub(super) rev: u64,
    /// The last facts; `None` when rows of an older table, or a violation, are in the way.
    pub(super) facts: Option<F>,
}

/// Folds `rows`, oldest first, of which the first has to begin in `initial`. Rows of another version of the table than
/// `version` are checked by their edges only, and so is everything after them: what an older table made of the facts is
/// not known any more.
pub(super) fn fold<S, F, V, E>(
    entity: &str,
    rows: &[Recorded],
    version: u32,
    initial: S,
    step: impl Fn(S, &F, &V, Time) -> Outcome<S, F, E>,
    violations: &mut Vec<Violation>,
) -> End<F>
where
    S: FromStr + Display,
    F: DeserializeOwned,
    V: DeserializeOwned,
{
    let mut end = End {
        state: None,
        rev: 0,
        facts: None,
    };
    for row in rows {
        let mut wrong = |what: &str, expected: String, found: String| {
            let field = format!("journal rev {}: {what}", row.rev);
            violations.push(Violation {
                entity: entity.to_owned(),
                field,
                expected,
                found,
            });
        };
        if row.rev != end.rev + 1 {
            wrong("rev", (end.rev + 1).to_string(), row.rev.to_string());
        }
        if row.from != end.state {
            wrong("from_state", shown(&end.state), shown(&row.from));
        }
        if !row.declared {
            let edge = format!("{} / {} -> {}", row.event, shown(&row.answer), row.to);
            wrong(
                "edge",
                format!("an edge that version {} declares", row.version),
                edge,
            );
        }
        // Past a hole in the journal nothing is known of the facts.
        let whole = row.rev == end.rev + 1 && row.from == end.state;
        let before = end.facts.take().filter(|_| whole);
        if row.version == version {
            end.facts = match (before, row.from.as_deref().map(S::from_str)) {
                (_, None) => first(row, &initial, &mut wrong),
                (Some(facts), Some(Ok(from))) => again(row, from, &facts, &step, &mut wrong),
                (None, Some(_)) | (Some(_), Some(Err(_))) => None,
            };
        }
        (end.rev, end.state) = (row.rev, Some(row.to.clone()));
    }
    end
}

/// The facts of a creation.
fn first<S: Display, F: DeserializeOwned>(
    row: &Recorded,
    initial: &S,
    wrong: &mut impl FnMut(&str, String, String),
) -> Option<F> {
    let initial = initial.to_string();
    if row.to != initial {
        wrong("to_state", initial, row.to.clone());
    }
    if row.event != CREATED {
        wrong("event", CREATED.to_owned(), row.event.clone());
    }
    let facts = serde_json::from_str(&row.data);
    facts
        .map_err(|e| wrong("data", "readable facts".to_owned(), e.to_string()))
        .ok()
}

/// Does the row again.
fn again<S, F, V, E>(
    row: &Recorded,
    from: S,
    facts: &F,
    step: &impl Fn(S, &F, &V, Time) -> Outcome<S, F, E>,
    wrong: &mut impl FnMut(&str, String, String),
) -> Option<F>
where
    S: Display,
    V: DeserializeOwned,
{
    let event: V = match serde_json::from_str(&row.data) {
        Ok(event) => event,
        Err(e) => {
            wrong("data", "a readable event".to_owned(), e.to_string());
            return None;
        }
    };
    if !is_named(&row.data, &row.event) {
        wrong(
            "event",
            "the event of its data".to_owned(),
            row.event.clone(),
        );
    }
    let said = match step(from, facts, &event, row.at) {
        Outcome::Moved(moved) => {
            let (to, answer) = (moved.to.to_string(), moved.answer.map(str::to_owned));
            if to == row.to && answer == row.answer {
                return Some(moved.facts);
            }
            format!("{} -> {to}", shown(&answer))
        }
        Outcome::Ignored(why) => format!("ignored: {why}"),
        Outcome::Refused(why) => format!("refused: {why}"),
    };
    wrong(
        "move",
        said,
        format!("{} -> {}", shown(&row.answer), row.to),
    );
    None
}

/// Whether the stored event says by itself that it is this one.
fn is_named(data: &str, event: &str) -> bool {
    let data: Result<serde_json::Value, _> = serde_json::from_str(data);
    data.is_ok_and(|data| data["event"] == event)
}

fn shown(text: &Option<String>) -> String {
    text.as_deref().unwrap_or("nothing").to_owned()
}
