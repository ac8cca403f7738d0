//! The block structure of a Markdown text, as far as it decides what is a task: headings, and regions in which nothing
//! is one. CommonMark is left to pulldown-cmark; list items are not asked of it, because it knows neither `[~]` nor
//! `[R]`, and takes an item that is indented too deep for prose.

use super::boxes::boxed;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// A heading of the document itself, not one within a list or a quotation.
#[derive(Debug)]
pub(super) struct Heading {
    pub(super) at: usize,
    /// 1 to 6.
    pub(super) level: u8,
    pub(super) title: String,
}

/// Where a box is not a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    Fenced,
    Indented,
    Comment,
}

/// Headings and regions, each in the order of the text; regions do not overlap.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) headings: Vec<Heading>,
    pub(super) regions: Vec<(Range<usize>, Region)>,
}

impl Blocks {
    /// Reads `text` from `start` on; offsets count from the beginning of `text`.
    pub(super) fn read(text: &str, start: usize) -> Self {
        let body = text.get(start..).unwrap_or_default();
        let mut blocks = Blocks::default();
        let mut open_heading: Option<Heading> = None;
        let mut containers = 0_usize;
        let mut after_paragraph = false;
        for (event, range) in Parser::new_ext(body, Options::empty()).into_offset_iter() {
            let range = range.start + start..range.end + start;
            match event {
                Event::Start(Tag::Heading { level, .. }) if containers == 0 => {
                    let title = String::new();
                    open_heading = Some(Heading {
                        at: range.start,
                        level: level as u8,
                        title,
                    });
                }
                Event::End(TagEnd::Heading(_)) => {
                    after_paragraph = false;
                    // A line of dashes makes a heading of the whole paragraph above it. A box that was caught in it
                    // stays a task, and the words of a task are no heading.
                    let mut lines = text[range].split(['\n', '\r']);
                    let heading = open_heading.take();
                    blocks
                        .headings
                        .extend(heading.filter(|_| lines.all(|line| boxed(line).is_none())));
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                    blocks.regions.push((range, Region::Fenced));
                }
                // Tasks may stand at any indent. Only what follows a paragraph of its own is an example in code: not
                // a deep item of a list, nor a whole plan that was pasted with an indent.
                Event::Start(Tag::CodeBlock(CodeBlockKind::Indented))
                    if containers == 0 && after_paragraph =>
                {
                    blocks.regions.push((range, Region::Indented));
                }
                Event::Start(Tag::HtmlBlock)
                    if text[range.clone()].trim_start().starts_with("<!--") =>
                {
                    blocks.regions.push((range, Region::Comment));
                }
                Event::Start(Tag::List(_) | Tag::Item | Tag::BlockQuote(_)) => containers += 1,
                Event::End(TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_)) => {
                    containers = containers.saturating_sub(1);
                    after_paragraph = false;
                }
                Event::End(TagEnd::Paragraph) => after_paragraph = true,
                Event::Text(words) | Event::Code(words) | Event::InlineHtml(words) => {
                    if let Some(heading) = &mut open_heading {
                        heading.title.push_str(&words);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some(heading) = &mut open_heading {
                        heading.title.push(' ');
                    }
                }
                // Everything else neither opens a region nor says anything in a heading.
                _ => {}
            }
        }
        blocks
    }
}

/// Where the text begins after a byte order mark and a front matter (`---` … `---`), which is no Markdown. A front
/// matter that holds a box is taken for Markdown between two rules: no task is lost to a guess.
pub(super) fn body_start(text: &str) -> usize {
    let start = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut end = start;
    for (number, line) in text[start..].split_inclusive('\n').enumerate() {
        end += line.len();
        let line = line.trim_end();
        match (number, line) {
            (0, "---") => {}
            (0, _) => break,
            (_, "---" | "...") => return end,
            (_, line) if boxed(line).is_some() => break,
            (_, _) => {}
        }
    }
    start
}
