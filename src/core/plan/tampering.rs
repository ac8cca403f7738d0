//! Did the agent change what it was asked to do? Marks may change and tasks may be added; a task of the base plan that
//! is gone, worded otherwise, or no longer counted, is a matter for a person.

use super::{Checklist, Item, Skip};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What the base plan asked for and the present one does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tampering {
    /// At least one, in the order of the base plan.
    pub lost: Vec<Lost>,
}

/// One task of the base plan that is not asked for any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The whole task, as it was.
    pub task: String,
    /// Its line in the base plan.
    pub line: u32,
    /// Where its text stands now without being counted; `None` when it is gone or worded otherwise.
    pub uncounted: Option<Skip>,
}

impl Tampering {
    /// What happened, for people, with at most three tasks in full.
    pub fn message(&self) -> String {
        let named = self.lost.iter().take(3).map(|lost| match lost.uncounted {
            Some(why) => format!(
                "\"{}\" (line {}) is not counted any more: {}",
                lost.task,
                lost.line,
                why.message()
            ),
            None => format!(
                "\"{}\" (line {}) is gone or worded otherwise",
                lost.task, lost.line
            ),
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let others = self.lost.len().saturating_sub(3);
        if others == 0 {
            named
        } else {
            format!("{named}; and {others} more")
        }
    }
}

/// Compares with the base plan. Equal texts are counted: of two equal tasks, two have to stay. The line of a task must be
/// the same, blanks aside; what continues it may be added to, as agents note there what they did.
pub fn tampering(base: &Checklist, now: &Checklist) -> Option<Tampering> {
    let mut present = Present::new(now.tasks());
    let mut asked: Vec<&Item> = base.tasks().collect();
    // The longest first: whatever continues a long text continues its beginning too, so that this never picks wrongly.
    asked.sort_by_key(|item| std::cmp::Reverse(item.more.len()));
    let mut lost: Vec<&Item> = asked
        .into_iter()
        .filter(|item| !present.take(item))
        .collect();
    if lost.is_empty() {
        return None;
    }
    lost.sort_by_key(|item| item.mark_at);
    let uncounted: HashMap<String, Skip> = now
        .skipped()
        .map(|(item, why)| (words(&item.text), why))
        .collect();
    let lost = lost.into_iter().map(|item| Lost {
        task: item.full_text(),
        line: item.line,
        uncounted: uncounted.get(&words(&item.text)).copied(),
    });
    Some(Tampering {
        lost: lost.collect(),
    })
}

/// The tasks that are there, by their line; under each what continues it, counted.
struct Present(HashMap<String, BTreeMap<String, u32>>);

impl Present {
    fn new<'a>(items: impl Iterator<Item = &'a Item>) -> Self {
        let mut present: HashMap<String, BTreeMap<String, u32>> = HashMap::new();
        for item in items {
            let same_line = present.entry(words(&item.text)).or_default();
            *same_line.entry(item.more.clone()).or_default() += 1;
        }
        Present(present)
    }

    /// Uses up one task that says what `asked` says; false when there is none.
    fn take(&mut self, asked: &Item) -> bool {
        let Some(same_line) = self.0.get_mut(&words(&asked.text)) else {
            return false;
        };
        // In the order of strings, what continues `more` with another word follows right after it.
        let Some((found, left)) = same_line.range_mut(asked.more.clone()..).next() else {
            return false;
        };
        let added = found.strip_prefix(&asked.more);
        if !added.is_some_and(|it| asked.more.is_empty() || it.is_empty() || it.starts_with(' ')) {
            return false;
        }
        *left -= 1;
        if *left == 0 {
            let used_up = found.clone();
            same_line.remove(&used_up);
        }
        true
    }
}

/// The text with single blanks, as rendering shows it.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
