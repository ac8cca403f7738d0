//! Reading a plan: one pass over the lines, beside the block structure. It decides for every box whether it counts.

use super::blocks::{Blocks, Region, body_start};
use super::boxes::{boxed, is_item};
use super::checklist::{Checklist, Item, Section};
use super::heading;
use super::mark::{Mark, Skip};

/// The state of one pass over the lines.
#[derive(Default)]
pub(super) struct Reader {
    list: Checklist,
    /// Indents of the boxes around the current line.
    nesting: Vec<usize>,
    /// The last line belongs to the last item, and the next one may continue it.
    continues: bool,
}

impl Reader {
    pub(super) fn read(mut self, text: &str) -> Checklist {
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
