//! The TOML writing: text in, entries with their lines out, and every syntax error at once.
//! Which keys there are and what they take is not known here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{Entry, Raw};

/// The parser's words for a key that stands there twice.
const DUPLICATE: &str = "duplicate key";
/// Bytes of a key that are shown.
const LONGEST_KEY: usize = 80;

/// What was read, and what could not be: `(line, message)`, in order.
pub(super) struct Read {
    pub entries: Vec<Entry>,
    pub errors: Vec<(usize, String)>,
}

/// Read a document. Entries on a line with a syntax error are left out: what recovery made of them would only be
/// reported a second time, in words that mislead.
pub(super) fn read(text: &str) -> Read {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<(usize, String)> = errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            (lines.line_of(at), message(error, text))
        })
        .collect();
    errors.sort();
    errors.dedup();
    let mut entries = entries_of(table.get_ref(), &lines);
    entries.retain(|entry| {
        errors
            .binary_search_by_key(&entry.line, |(line, _)| Some(*line))
            .is_err()
    });
    entries.sort_by_key(|entry| entry.line);
    Read { entries, errors }
}

/// What the parser says, and of which key where it says that one stands there twice.
fn message(error: &toml::de::Error, text: &str) -> String {
    let said = error.message();
    let named = error.span().and_then(|span| text.get(span));
    match named.filter(|key| said == DUPLICATE && key.len() <= LONGEST_KEY && !key.contains('\n')) {
        Some(key) => format!("{said} `{key}`; remove one of them"),
        None => said.to_owned(),
    }
}

fn entries_of(table: &DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            value: of_toml(value, lines),
            line: Some(lines.line_of(key.span().start)),
        })
        .collect()
}

fn of_toml(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        // A number beyond 128 bits is out of every range; NaN is refused by every key.
        DeValue::Integer(int) => {
            i128::from_str_radix(int.as_str(), int.radix()).map_or(Raw::Float(f64::NAN), Raw::Int)
        }
        DeValue::Float(float) => Raw::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Datetime(_) => Raw::Date,
        DeValue::Array(items) => Raw::List(items.iter().map(|item| of_toml(item, lines)).collect()),
        DeValue::Table(table) => Raw::Table(entries_of(table, lines)),
    }
}

/// Where lines begin, so that a byte offset finds its line quickly however many errors there are.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Lines { starts }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}
