//! A value as it was written, before anybody knows what its key takes. Three writings end here: TOML, key=value and JSON.

use serde_json::{Map, Value};

/// One `key = value`, wherever it came from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub value: Raw,
    /// Line of the key, from 1; `None` where there are no lines.
    pub line: Option<usize>,
}

/// A value of any of the writings.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// JSON's null: "not set".
    Null,
    Flag(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// Text of a writing that has nothing but text; its key says what it means.
    Word(String),
    List(Vec<Raw>),
    Table(Vec<Entry>),
    /// TOML has dates; no key takes one.
    Date,
}

impl Raw {
    /// The type, for error texts.
    pub fn name(&self) -> &'static str {
        match self {
            Raw::Null => "null",
            Raw::Flag(_) => "true or false",
            Raw::Int(_) => "a whole number",
            Raw::Float(_) => "a fraction",
            Raw::Text(_) | Raw::Word(_) => "text",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
            Raw::Date => "a date",
        }
    }

    /// A truth value; a word may also say `1`, `0`, `yes`, `no`.
    pub fn flag(&self) -> Option<bool> {
        if let Raw::Flag(flag) = self {
            return Some(*flag);
        }
        match self.word()?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    /// A whole number.
    pub fn whole(&self) -> Option<i128> {
        if let Raw::Int(int) = self {
            return Some(*int);
        }
        self.word()?.parse().ok()
    }

    /// A number of bytes, given as such or as text with a unit.
    pub fn bytes(&self) -> Option<i128> {
        if let Raw::Int(int) = self {
            return Some(*int);
        }
        super::size::parse(self.text()?).map(i128::from)
    }

    /// A number with or without a fraction.
    pub fn number(&self) -> Option<f64> {
        if let Raw::Float(float) = self {
            return Some(*float);
        }
        if let Raw::Int(int) = self {
            return Some(*int as f64);
        }
        self.word()?.parse().ok()
    }

    /// Text, of either writing.
    pub fn text(&self) -> Option<&str> {
        if let Raw::Text(text) = self {
            return Some(text);
        }
        self.word()
    }

    /// Text of a writing that has nothing but text.
    pub fn word(&self) -> Option<&str> {
        if let Raw::Word(word) = self {
            return Some(word);
        }
        None
    }
}

/// The entries of a JSON object, without lines.
pub(super) fn entries_of(object: &Map<String, Value>) -> Vec<Entry> {
    object
        .iter()
        .map(|(key, value)| Entry {
            key: key.clone(),
            value: of_json(value),
            line: None,
        })
        .collect()
}

fn of_json(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(flag) => Raw::Flag(*flag),
        Value::Number(number) => match number.as_i128() {
            Some(int) => Raw::Int(int),
            None => Raw::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Raw::Text(text.clone()),
        Value::Array(items) => Raw::List(items.iter().map(of_json).collect()),
        Value::Object(object) => Raw::Table(entries_of(object)),
    }
}
