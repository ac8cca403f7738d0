//! The head of a `SKILL.md`: `name` and `description` between two lines of `---`. It is meant to be YAML, but what stands in
//! the field often is not (a colon in a description that nobody quoted), and only two values are wanted of it. So it is read
//! line by line: plain, quoted, folded (`>`) and literal (`|`) values, one below the other where they are indented; all other
//! keys are passed over.

/// What the head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontMatter {
    /// The name, where there is one.
    pub name: Option<String>,
    /// What the skill is for, on one line.
    pub description: String,
    /// The text below the head.
    pub body: String,
}

/// Why a text is not the text of a skill; follows "failed to use it as a skill:".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASkill {
    /// No head.
    #[error(
        "it does not begin with a line `---`; write `name` and `description` between two of them"
    )]
    NoFrontMatter,
    /// A head without an end.
    #[error("its front matter has no end; close it with a line `---`")]
    Open,
    /// Nobody could tell when to use it.
    #[error("its front matter has no `description`; write what it is for and when to use it")]
    NoDescription,
    /// A name that could not be asked for.
    #[error("its `name` is not 1 to 64 letters, digits, `-`, `_`, `.` or `:`")]
    BadName,
}

/// Characters of a description that are kept: more of them would drown the list.
const DESCRIPTION: usize = 1024;

/// Reads a `SKILL.md`.
///
/// # Errors
/// It has no head, or one that names no use.
pub fn read(text: &str) -> Result<FrontMatter, NotASkill> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let mut at = match lines.next() {
        Some(first) if first.trim_end() == "---" => first.len(),
        Some(_) | None => return Err(NotASkill::NoFrontMatter),
    };
    let mut head = Vec::new();
    loop {
        let Some(line) = lines.next() else {
            return Err(NotASkill::Open);
        };
        at += line.len();
        if matches!(line.trim_end(), "---" | "...") {
            break;
        }
        head.push(line.trim_end());
    }
    let name = value(&head, "name");
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(NotASkill::BadName);
    }
    let description = value(&head, "description").ok_or(NotASkill::NoDescription)?;
    Ok(FrontMatter {
        name,
        description: description.chars().take(DESCRIPTION).collect(),
        body: text.get(at..).unwrap_or_default().trim().to_owned(),
    })
}

/// Whether a skill can have this name.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !text.is_empty() && text.chars().count() <= 64 && text.chars().all(fits)
}

/// The value of a key at the margin, on one line; `None` where it is missing or empty.
fn value(head: &[&str], key: &str) -> Option<String> {
    let mut lines = head.iter();
    let first = lines.find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))?;
    let below = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t']));
    let below: Vec<&str> = below.map(|line| line.trim()).collect();
    let first = first.trim();
    let block = first.starts_with(['>', '|']) && first.len() <= 3;
    let mut parts = if block { Vec::new() } else { vec![first] };
    parts.extend(below);
    let text = parts.join(" ");
    let text = text.trim();
    let text = if block { text.to_owned() } else { plain(text) };
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A value without its quotes or its comment.
fn plain(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('"') {
        let mut said = String::new();
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n' | 't' | 'r') => said.push(' '),
                    Some(other) => said.push(other),
                    None => {}
                },
                other => said.push(other),
            }
        }
        return said;
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let doubled = rest.replace("''", "\u{0}");
        let said = doubled.split('\'').next().unwrap_or_default();
        return said.replace('\u{0}', "'");
    }
    text.split(" #").next().unwrap_or_default().to_owned()
}
