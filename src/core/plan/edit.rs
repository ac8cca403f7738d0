//! Changing marks in place: every other byte of the plan stays as it is. What is trusted comes from the plan as loopd
//! last knew it (the base plan, or loopd's own last commit): *before*.
//!
//! Tasks are recognised by their text. Where several have the same, they are counted, not told apart.

use super::{Checklist, Item, Mark};
use std::collections::HashMap;

/// A plan after an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// The tasks whose mark was changed.
    pub tasks: Vec<String>,
}

/// The text with one mark changed; `None` when the item was not read from this text.
pub fn set_mark(text: &str, item: &Item, mark: Mark) -> Option<String> {
    let (before, after) = (text.get(..item.mark_at)?, text.get(item.mark_at + 1..)?);
    let known = matches!(
        text.as_bytes()[item.mark_at],
        b' ' | b'~' | b'x' | b'X' | b'R'
    );
    let boxed = before.ends_with('[') && after.starts_with(']');
    (known && boxed).then(|| format!("{before}{}{after}", mark.symbol()))
}

/// An approving review: every implemented task becomes reviewed. Run [`disown`] first.
pub fn approve(text: &str) -> Edited {
    let plan = Checklist::parse(text);
    edit(
        text,
        plan.tasks().filter(|item| item.mark == Mark::Implemented),
        Mark::Reviewed,
    )
}

/// A rejecting review: every task that was ticked since *before* is pending again.
pub fn reopen(before: &Checklist, text: &str) -> Edited {
    let plan = Checklist::parse(text);
    edit(text, beyond(before, &plan, Mark::is_done), Mark::Pending)
}

/// Only loopd reviews: an `[R]` that *before* does not have is the agent's, and means no more than `[x]`.
pub fn disown(before: &Checklist, text: &str) -> Edited {
    let plan = Checklist::parse(text);
    edit(
        text,
        beyond(before, &plan, |mark| mark == Mark::Reviewed),
        Mark::Implemented,
    )
}

/// How many tasks are done that were not done *before*, or were not there.
pub fn ticked(before: &Checklist, now: &Checklist) -> u32 {
    u32::try_from(beyond(before, now, Mark::is_done).count()).unwrap_or(u32::MAX)
}

/// The tasks of `now` with such a mark, beyond as many of the same text as had it *before*. The last ones of equal text
/// are taken for the new ones: work goes from the top down.
fn beyond<'a>(
    before: &Checklist,
    now: &'a Checklist,
    such: impl Fn(Mark) -> bool + Copy,
) -> impl Iterator<Item = &'a Item> {
    let mut known: HashMap<String, u32> = HashMap::new();
    for item in before.tasks().filter(|item| such(item.mark)) {
        *known.entry(item.text.clone()).or_default() += 1;
    }
    now.tasks()
        .filter(move |item| such(item.mark))
        .filter(
            move |item| match known.get_mut(&item.text).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => true,
            },
        )
}

/// Sets the mark of `items`, which were read from `text` and come in its order.
fn edit<'a>(text: &str, items: impl Iterator<Item = &'a Item>, mark: Mark) -> Edited {
    let mut edited = Edited {
        text: String::with_capacity(text.len()),
        tasks: Vec::new(),
    };
    let mut copied = 0;
    for item in items {
        edited.text.push_str(&text[copied..item.mark_at]);
        edited.text.push(mark.symbol());
        // Every mark is one byte: counted items have a known one.
        copied = item.mark_at + 1;
        edited.tasks.push(item.full_text());
    }
    edited.text.push_str(&text[copied..]);
    edited
}
