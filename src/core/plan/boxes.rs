//! One line: is it a list item with a box, and where is the box's mark? Bytes in, offsets out; what surrounds the line
//! is the business of `blocks`, what the box means that of `checklist`.

/// A line that begins with a bullet and a box.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Boxed<'a> {
    /// Columns before the first bullet; a tab goes to the next multiple of 4.
    pub(super) indent: usize,
    /// Offset in the line of what stands in the box.
    pub(super) mark_at: usize,
    /// What stands in the box.
    pub(super) inside: &'a str,
    /// A question mark follows: a person's check.
    pub(super) persons: bool,
    /// What follows the box, trimmed.
    pub(super) text: &'a str,
    /// The line is quoted with `>`.
    pub(super) quoted: bool,
}

/// Reads one line (without its line end). Any indent, any bullet (`-`, `*`, `+`, `1.`, `1)`), also several on one line.
pub(super) fn boxed(line: &str) -> Option<Boxed<'_>> {
    let mut rest = line.trim_start_matches([' ', '\t']);
    let indent = columns(&line[..line.len() - rest.len()]);
    let quoted = rest.starts_with('>');
    if quoted {
        rest = rest.trim_start_matches(['>', ' ', '\t']);
    }
    rest = after_bullet(rest)?;
    while let Some(inner) = after_bullet(rest) {
        rest = inner;
    }
    let opened = rest.strip_prefix('[')?;
    // Longer contents are prose or a link; up to three characters may be a box that somebody got wrong.
    let (inside, after) = opened
        .split_once(']')
        .filter(|(it, _)| it.chars().count() <= 3)?;
    let known = matches!(inside, " " | "~" | "x" | "X" | "R");
    let persons = known && after.starts_with('?');
    let link = after.starts_with(['(', '[', ':']);
    let separated = after.is_empty() || after.starts_with(char::is_whitespace);
    if link || !(separated || known) {
        return None;
    }
    let text = if persons { &after[1..] } else { after };
    let mark_at = line.len() - opened.len();
    Some(Boxed {
        indent,
        mark_at,
        inside,
        persons,
        text: text.trim(),
        quoted,
    })
}

/// Whether the line begins a list item, with or without a box.
pub(super) fn is_item(line: &str) -> bool {
    let rest = line.trim_start_matches([' ', '\t', '>']);
    matches!(rest, "-" | "*" | "+") || after_bullet(rest).is_some()
}

/// What follows a bullet and at least one blank.
fn after_bullet(text: &str) -> Option<&str> {
    let rest = match text.strip_prefix(['-', '*', '+']) {
        Some(rest) => rest,
        None => {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            // CommonMark: at most nine digits.
            if !(1..=9).contains(&(text.len() - rest.len())) {
                return None;
            }
            rest.strip_prefix(['.', ')'])?
        }
    };
    let inner = rest.trim_start_matches([' ', '\t']);
    (inner.len() < rest.len()).then_some(inner)
}

fn columns(indent: &str) -> usize {
    indent.bytes().fold(0, |column, byte| {
        if byte == b'\t' {
            (column / 4 + 1) * 4
        } else {
            column + 1
        }
    })
}
