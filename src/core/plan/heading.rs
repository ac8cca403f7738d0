//! What a heading says about the tasks below it: that they are not the agent's, or that they are blocked by something.

/// Whether the section is a person's: headed "verification…", "… checklist" or "manual qa…", in any case; numbers and
/// ornaments before the words, and remarks in brackets after them, do not matter.
pub(super) fn is_persons(title: &str) -> bool {
    let title = title.to_lowercase();
    let words = without_remarks(title.trim_start_matches(|c: char| !c.is_alphabetic()));
    let mut words = words.split_whitespace();
    let first = words.next().unwrap_or_default();
    let second = words.next();
    let last = words.next_back().or(second).unwrap_or_default();
    let manual_qa = first == "manual" && second.is_some_and(|word| word.starts_with("qa"));
    first.starts_with("verification") || manual_qa || last == "checklist"
}

/// The `X` of `[BLOCKED by: X]`.
pub(super) fn blocked_by(title: &str) -> Option<&str> {
    const OPENING: &str = "[blocked by:";
    // ASCII lower case keeps every offset.
    let from = title.to_ascii_lowercase().find(OPENING)? + OPENING.len();
    let (by, _) = title.get(from..)?.split_once(']')?;
    Some(by.trim()).filter(|by| !by.is_empty())
}

/// The title without bracketed remarks and punctuation at its end.
fn without_remarks(title: &str) -> &str {
    let mut title = title;
    loop {
        let trimmed =
            title.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')' && c != ']');
        let open = match trimmed.chars().next_back() {
            Some(')') => trimmed.rfind('('),
            Some(']') => trimmed.rfind('['),
            Some(_) | None => return trimmed,
        };
        // A bracket that was never opened is punctuation.
        title = &trimmed[..open.unwrap_or(trimmed.len() - 1)];
    }
}
