//! The verdict of a review: the last line that is nothing but a verdict, or a JSON object that holds one. A word within
//! a sentence is no verdict, and neither is one that is quoted or in a code block: it may be the task's own text.

use serde_json::Value;

/// The JSON schema of a verdict, for agents that can be held to one.
pub const SCHEMA: &str = r#"{"type":"object","properties":{"verdict":{"type":"string","enum":["APPROVED","CHANGES REQUESTED"]},"findings":{"type":"string"}},"required":["verdict","findings"],"additionalProperties":false}"#;

/// What a reviewer decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Approved as it stands.
    pub approved: bool,
    /// What was said about it, without the verdict itself.
    pub findings: String,
}

/// The verdict that a message ends in; `None` when there is none, which is not a rejection.
pub fn parse(message: &str) -> Option<Verdict> {
    whole_json(message).or_else(|| last_line(message))
}

/// The message as one JSON object, bare or as the only code block of it.
fn whole_json(message: &str) -> Option<Verdict> {
    let trimmed = message.trim();
    let inner = trimmed
        .strip_prefix("```json")
        .or_else(|| trimmed.strip_prefix("```"))
        .and_then(|rest| rest.strip_suffix("```"))
        .unwrap_or(trimmed);
    let spoken: Value = serde_json::from_str(inner.trim()).ok()?;
    let approved = word(spoken.get("verdict")?.as_str()?)?;
    Some(Verdict {
        approved,
        findings: findings(spoken.get("findings").unwrap_or(&Value::Null)),
    })
}

fn findings(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items
            .iter()
            .map(|item| format!("- {}", findings(item)))
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn last_line(message: &str) -> Option<Verdict> {
    let mut fence: Option<&str> = None;
    let mut found: Option<(usize, bool)> = None;
    for (number, line) in message.lines().enumerate() {
        let bare = line.trim_start();
        let opens = ["```", "~~~"]
            .into_iter()
            .find(|mark| bare.starts_with(mark));
        match (fence, opens) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                if let Some(approved) = verdict_line(line) {
                    found = Some((number, approved));
                }
            }
        }
    }
    let (number, approved) = found?;
    let rest: Vec<&str> = message
        .lines()
        .enumerate()
        .filter(|(index, _)| *index != number)
        .map(|(_, line)| line)
        .collect();
    Some(Verdict {
        approved,
        findings: rest.join("\n").trim().to_owned(),
    })
}

/// A line that is a verdict and nothing else, bar emphasis, a heading's marks, the word "verdict" before it and a stop
/// after it. A quotation (`>`) and an indented code block are none.
fn verdict_line(line: &str) -> Option<bool> {
    if line.starts_with("    ") || line.starts_with('\t') {
        return None;
    }
    let mut text: String = line
        .chars()
        .filter(|c| !matches!(c, '*' | '_' | '#'))
        .collect::<String>()
        .trim()
        .to_ascii_lowercase();
    for lead in ["review verdict:", "final verdict:", "verdict:"] {
        if let Some(rest) = text.strip_prefix(lead) {
            text = rest.trim_start().to_owned();
            break;
        }
    }
    word(text.trim_end_matches(['.', '!', ':']))
}

fn word(text: &str) -> Option<bool> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, '_' | '-'))
        .filter(|word| !word.is_empty())
        .collect();
    let is = |wanted: &[&str]| {
        words.len() == wanted.len()
            && words
                .iter()
                .zip(wanted)
                .all(|(word, wanted)| word.eq_ignore_ascii_case(wanted))
    };
    if is(&["approved"]) {
        Some(true)
    } else if is(&["changes", "requested"]) || is(&["changesrequested"]) {
        Some(false)
    } else {
        None
    }
}
