//! A plan as data: every box and every heading of one text, and what can be asked of them. How a text becomes one is
//! the business of `reader`.

use super::mark::{Mark, Skip};
use super::reader::Reader;
use serde::{Deserialize, Serialize};

/// A heading and what it means for the boxes below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its words, without markup.
    pub title: String,
    /// 1 to 6.
    pub level: u8,
    /// The section around it: an index into [`Checklist::sections`].
    pub parent: Option<usize>,
    /// It, or a section around it, is a person's.
    pub persons: bool,
    /// From `[BLOCKED by: X]` here or in a section around it: shown to the agent, never enforced.
    pub blocked_by: Option<String>,
}

/// One box of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What follows the box on its line, trimmed.
    pub text: String,
    /// The lines that continue it, up to a blank line or the next block, joined by single blanks; often empty.
    pub more: String,
    /// What the box says; pending where it holds no known mark.
    pub mark: Mark,
    /// Byte offset of the mark in the text that was parsed.
    pub mark_at: usize,
    /// Line number, from 1.
    pub line: u32,
    /// Index into [`Checklist::sections`]; `None` before the first heading.
    pub section: Option<usize>,
    /// How many boxes of its section it is nested in, by indent.
    pub depth: u16,
    /// Why it does not count; `None` when it does.
    pub skip: Option<Skip>,
}

impl Item {
    /// Whether it is a task of the agent's.
    pub fn counts(&self) -> bool {
        self.skip.is_none()
    }

    /// The whole task in one line.
    pub fn full_text(&self) -> String {
        let words = [self.text.as_str(), self.more.as_str()];
        words
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// How far a plan is, in tasks that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReading {
    /// All tasks.
    pub total: u32,
    /// Implemented or reviewed.
    pub done: u32,
    /// Of those: reviewed.
    pub reviewed: u32,
    /// Not done, the blocked ones included.
    pub pending: u32,
    /// Of those: blocked.
    pub blocked: u32,
}

/// A plan as read from one text; offsets and lines belong to exactly that text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// Every box, in the order of the text, those that do not count included.
    pub items: Vec<Item>,
    /// Every heading, in the order of the text.
    pub sections: Vec<Section>,
}

impl Checklist {
    /// Reads a plan. Any text is a plan, if need be one without a task; it takes time in proportion to its length.
    pub fn parse(text: &str) -> Checklist {
        Reader::default().read(text)
    }

    /// The tasks of the agent's.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.iter().filter(|item| item.counts())
    }

    /// What is not counted, and why: for whoever creates a run.
    pub fn skipped(&self) -> impl Iterator<Item = (&Item, Skip)> {
        self.items
            .iter()
            .filter_map(|item| item.skip.map(|why| (item, why)))
    }

    /// The first task that is pending and not blocked.
    pub fn next_task(&self) -> Option<&Item> {
        self.tasks().find(|item| item.mark == Mark::Pending)
    }

    /// The headings around an item, the outermost first.
    pub fn path(&self, item: &Item) -> Vec<&str> {
        let section = |at: &usize| self.sections.get(*at);
        let first = item.section.as_ref().and_then(section);
        let up = std::iter::successors(first, |it| it.parent.as_ref().and_then(section));
        let mut path: Vec<&str> = up.map(|section| section.title.as_str()).collect();
        path.reverse();
        path
    }

    /// What the item's headings say that it is blocked by.
    pub fn blocked_by(&self, item: &Item) -> Option<&str> {
        item.section
            .and_then(|at| self.sections.get(at))
            .and_then(|it| it.blocked_by.as_deref())
    }

    /// The counts.
    pub fn reading(&self) -> PlanReading {
        let mut reading = PlanReading::default();
        for item in self.tasks() {
            reading.total += 1;
            match item.mark {
                Mark::Pending => reading.pending += 1,
                Mark::Blocked => {
                    reading.pending += 1;
                    reading.blocked += 1;
                }
                Mark::Implemented => reading.done += 1,
                Mark::Reviewed => {
                    reading.done += 1;
                    reading.reviewed += 1;
                }
            }
        }
        reading
    }
}
