//! Small, bounded handling of text from agents: one-line summaries, a tail that never grows past its bound, and text
//! that is safe to show. Nothing here knows an agent.

use serde_json::Value;

/// Characters of a one-line summary.
const SUMMARY_CHARS: usize = 200;

/// The arguments that say most about a tool call, in order of preference.
const TELLING: [&str; 12] = [
    "command",
    "file_path",
    "filePath",
    "absolute_path",
    "path",
    "pattern",
    "query",
    "url",
    "question",
    "description",
    "prompt",
    "title",
];

/// `text` on one line, cut at 200 characters; the cut is marked.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars == SUMMARY_CHARS {
                line.push('…');
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    line
}

/// The most telling argument of a tool call, on one line.
pub fn summary(input: &Value) -> String {
    let told = TELLING
        .iter()
        .find_map(|key| input.get(key).and_then(Value::as_str));
    match (told, input) {
        (Some(told), _) => one_line(told),
        (None, Value::String(text)) => one_line(text),
        (None, Value::Null) => String::new(),
        (None, other) => one_line(&other.to_string()),
    }
}

/// An error text as a person would say it, on one line: of a JSON body within it only the message, and nothing from an
/// address or a request id on.
pub fn humane(text: &str) -> String {
    let text = [", url: ", ", request id: "]
        .iter()
        .fold(text, |text, mark| text.split(mark).next().unwrap_or(text));
    let Some(at) = text.find('{') else {
        return one_line(text);
    };
    let (before, body) = text.split_at(at);
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<Value>();
    let Some(Ok(value)) = values.next() else {
        return one_line(text);
    };
    let inner = value.get("error").unwrap_or(&value);
    let Some(message) = inner.get("message").and_then(Value::as_str) else {
        return one_line(text);
    };
    let after = body.get(values.byte_offset()..).unwrap_or_default();
    one_line(&format!("{before}{message}{after}"))
}

/// `text` without control characters and escape sequences; line breaks and tabs stay.
pub fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Skips the rest of an ANSI escape sequence: `[` up to its final letter, or a single character.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    let mut ahead = chars.clone();
    if ahead.next() != Some('[') {
        return;
    }
    *chars = ahead;
    for c in chars.by_ref() {
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

/// The end of a text that may be endless: keeps at most twice `bound` bytes, gives at most `bound`.
#[derive(Debug)]
pub struct Tail {
    bound: usize,
    text: String,
}

impl Tail {
    /// An empty tail of at most `bound` bytes.
    pub fn new(bound: usize) -> Self {
        Tail {
            bound,
            text: String::new(),
        }
    }

    /// Appends `more`; what falls out of the bound is forgotten.
    pub fn push(&mut self, more: &str) {
        self.text.push_str(cut_front(more, self.bound));
        if self.text.len() > self.bound.saturating_mul(2) {
            self.text = cut_front(&self.text, self.bound).to_owned();
        }
    }

    /// Nothing has been pushed since the last [`Tail::take`].
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        cut_front(&self.text, self.bound)
    }

    /// The text so far; the tail is empty afterwards.
    pub fn take(&mut self) -> String {
        let all = std::mem::take(&mut self.text);
        cut_front(&all, self.bound).to_owned()
    }
}

/// The last `bound` bytes of `text`, or a little less, so that no character is cut in two.
pub fn cut_front(text: &str, bound: usize) -> &str {
    let mut start = text.len().saturating_sub(bound);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}
