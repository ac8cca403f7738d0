//! Reading a plan: every box in it, whether it counts, and if not, why not.

use super::blocks::{Blocks, Region, body_start};
use super::boxes::{boxed, is_item};
use super::heading;
use serde::{Deserialize, Serialize};

/// What a box says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// `[ ]`
    Pending,
    /// `[~]`: cannot go on now; counts as pending.
    Blocked,
    /// `[x]` or `[X]`: done, says whoever wrote it.
    Implemented,
    /// `[R]`: done and reviewed.
    Reviewed,
}

impl Mark {
    /// Implemented or reviewed.
    pub fn is_done(self) -> bool {
        match self {
            Mark::Pending | Mark::Blocked => false,
            Mark::Implemented | Mark::Reviewed => true,
        }
    }

    /// What stands in the box.
    pub(super) fn symbol(self) -> char {
        match self {
            Mark::Pending => ' ',
            Mark::Blocked => '~',
            Mark::Implemented => 'x',
            Mark::Reviewed => 'R',
        }
    }
}

/// Why a box is not a task of the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// `[ ]?`
    PersonsCheck,
    /// Its section, or one around it, is headed "verification…", "… checklist" or "manual qa…".
    PersonsSection,
    /// It stands in fenced code.
    FencedCode,
    /// It stands in indented code.
    IndentedCode,
    /// It stands in an HTML comment.
    Comment,
    /// It stands in a quotation.
    Quotation,
    /// The box holds something that is not a mark.
    UnknownMark,
    /// No word follows the box.
    Empty,
}

impl Skip {
    /// The reason, for people.
    pub fn message(self) -> &'static str {
        match self {
            Skip::PersonsCheck => "a person's check (`[ ]?`)",
            Skip::PersonsSection => "in a section for people (verification, checklist, manual qa)",
            Skip::FencedCode => "in fenced code",
            Skip::IndentedCode => "in indented code",
            Skip::Comment => "in an HTML comment",
            Skip::Quotation => "in a quotation",
            Skip::UnknownMark => "not a known mark (use `[ ]`, `[~]`, `[x]` or `[R]`)",
            Skip::Empty => "an empty box",
        }
    }
}

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

/// The state of one pass over the lines.
#[derive(Default)]
struct Reader {
    list: Checklist,
    /// Indents of the boxes around the current line.
    nesting: Vec<usize>,
    /// The last line belongs to the last item, and the next one may continue it.
    continues: bool,
}

impl Reader {
    fn read(mut self, text: &str) -> Checklist {
        let start = body_start(text);
        let blocks = Blocks::read(text, start);
        let mut headings = blocks.headings.into_iter().peekable();
        let mut regions = blocks.regions.into_iter().peekable();
        let mut number = 1 + u32::try_from(text[..start].matches('\n').count()).unwrap_or(u32::MAX);
        for (at, line) in lines(text, start) {
            let end = at + line.len();
            while let Some(heading) = headings.next_if(|heading| heading.at <= end) {
                self.open_section(heading.level, heading.title);
            }
            while regions.next_if(|(range, _)| range.end <= at).is_some() {}
            let region = regions
                .peek()
                .filter(|(range, _)| range.start <= end)
                .map(|(_, it)| *it);
            self.line(at, line, number, region);
            number = number.saturating_add(1);
        }
        for item in self
            .list
            .items
            .iter_mut()
            .filter(|it| it.text.is_empty() && it.more.is_empty())
        {
            item.skip = item.skip.or(Some(Skip::Empty));
        }
        self.list
    }

    fn open_section(&mut self, level: u8, title: String) {
        let sections = &self.list.sections;
        let last = sections.len().checked_sub(1);
        let mut around =
            std::iter::successors(last, |at| sections.get(*at).and_then(|it| it.parent));
        let parent = around.find(|at| sections.get(*at).is_some_and(|it| it.level < level));
        let above = parent.and_then(|at| sections.get(at));
        let persons = heading::is_persons(&title) || above.is_some_and(|it| it.persons);
        let blocked_by = heading::blocked_by(&title).map(str::to_owned);
        let blocked_by = blocked_by.or_else(|| above.and_then(|it| it.blocked_by.clone()));
        self.list.sections.push(Section {
            title,
            level,
            parent,
            persons,
            blocked_by,
        });
        self.nesting.clear();
        self.continues = false;
    }

    fn line(&mut self, at: usize, line: &str, number: u32, region: Option<Region>) {
        let section = self.list.sections.len().checked_sub(1);
        let Some(found) = boxed(line) else {
            self.continues &= region.is_none() && continues_a_paragraph(line);
            if let Some(item) = self.list.items.last_mut().filter(|_| self.continues) {
                for word in line.split_whitespace() {
                    let gap = if item.more.is_empty() { "" } else { " " };
                    item.more.extend([gap, word]);
                }
            }
            return;
        };
        let persons = section
            .and_then(|at| self.list.sections.get(at))
            .is_some_and(|it| it.persons);
        let mark = match found.inside {
            " " => Some(Mark::Pending),
            "~" => Some(Mark::Blocked),
            "x" | "X" => Some(Mark::Implemented),
            "R" => Some(Mark::Reviewed),
            _ => None,
        };
        let skip = match region {
            Some(Region::Fenced) => Some(Skip::FencedCode),
            Some(Region::Indented) => Some(Skip::IndentedCode),
            Some(Region::Comment) => Some(Skip::Comment),
            None if found.quoted => Some(Skip::Quotation),
            None if mark.is_none() => Some(Skip::UnknownMark),
            None if found.persons => Some(Skip::PersonsCheck),
            None => persons.then_some(Skip::PersonsSection),
        };
        while self
            .nesting
            .pop_if(|indent| *indent >= found.indent)
            .is_some()
        {}
        let depth = u16::try_from(self.nesting.len()).unwrap_or(u16::MAX);
        self.nesting.push(found.indent);
        self.continues = region.is_none();
        self.list.items.push(Item {
            text: found.text.to_owned(),
            more: String::new(),
            mark: mark.unwrap_or(Mark::Pending),
            mark_at: at + found.mark_at,
            line: number,
            section,
            depth,
            skip,
        });
    }
}

/// Whether a line that follows an item belongs to its paragraph.
fn continues_a_paragraph(line: &str) -> bool {
    let text = line.trim();
    let rule = text
        .chars()
        .all(|c| matches!(c, '-' | '*' | '_' | '=' | ' '));
    let opens_a_block =
        text.starts_with(['#', '>']) || text.starts_with("```") || text.starts_with("~~~");
    !text.is_empty() && !rule && !opens_a_block && !is_item(line)
}

/// The lines from `start` on with their offsets, without their ends (`\n`, `\r\n`, `\r`).
fn lines(text: &str, start: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let from = at;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = if rest[length..].starts_with("\r\n") {
            2
        } else {
            1
        };
        at += (length + end).min(rest.len());
        Some((from, &rest[..length]))
    })
}
