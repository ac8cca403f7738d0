//! One value against its key: either the stored form, as JSON, or what is wrong with it. The only place that knows
//! how each type is written in each of the writings.

use serde_json::{Value, json};

use super::form::{self, Trust};
use super::key::{Form, Key, Kind};
use super::problem::shorten;
use super::raw::Raw;
use super::types::Usd;

/// The stored form of a value; `null` is "not set".
pub(super) fn value(key: &Key, raw: &Raw, trust: Trust) -> Result<Value, String> {
    if key.optional && is_unset(raw) {
        return Ok(Value::Null);
    }
    let wrong = || mismatch(key, raw);
    match key.kind {
        Kind::Flag => Ok(json!(raw.flag().ok_or_else(wrong)?)),
        Kind::Count { min, max } => bounded(key, raw.whole().ok_or_else(wrong)?, min, max),
        Kind::Size { min, max } => bounded(key, raw.bytes().ok_or_else(wrong)?, min, max),
        Kind::Money => {
            let dollars = raw.number().ok_or_else(wrong)?;
            let usd = Usd::from_dollars(dollars)
                .ok_or_else(|| format!("{dollars} is out of range, expected {}", key.kind))?;
            Ok(json!(usd))
        }
        Kind::Choice(words) => {
            let word = raw.text().filter(|word| words.contains(word));
            Ok(json!(word.ok_or_else(wrong)?))
        }
        Kind::Text(form) => Ok(json!(formed(form, raw.text().ok_or_else(wrong)?, trust)?)),
        Kind::List(form) => list(key, form, raw, trust),
    }
}

fn is_unset(raw: &Raw) -> bool {
    match raw {
        Raw::Null => true,
        Raw::Int(int) => *int == 0,
        Raw::Float(float) => *float == 0.0,
        Raw::Text(text) => text.is_empty(),
        Raw::Word(word) => word.is_empty() || word == "0",
        Raw::Flag(_) | Raw::List(_) | Raw::Table(_) | Raw::Date => false,
    }
}

fn bounded(key: &Key, number: i128, min: u64, max: u64) -> Result<Value, String> {
    match u64::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(json!(number)),
        _ => Err(format!("{number} is out of range, expected {}", key.kind)),
    }
}

fn formed(form: Form, text: &str, trust: Trust) -> Result<&str, String> {
    // Nothing absolute is expected of a file that came with the repository.
    let form = match (form, trust) {
        (Form::Path, Trust::Workspace) => Form::PathInside,
        (form, _) => form,
    };
    match form::check(form, text, trust) {
        Ok(()) => Ok(text),
        Err(what) => Err(format!("\"{}\" is not {form}: {what}", shorten(text))),
    }
}

fn list(key: &Key, form: Form, raw: &Raw, trust: Trust) -> Result<Value, String> {
    const MOST: usize = 1000;
    let texts: Vec<&str> = if let Raw::List(items) = raw {
        items.iter().map(item).collect::<Result<_, _>>()?
    } else {
        // The older writing has no lists: its words are parted by commas or spaces.
        let words = raw.word().ok_or_else(|| mismatch(key, raw))?;
        let parts = words.split([',', ' ', '\t']);
        parts.filter(|word| !word.is_empty()).collect()
    };
    if texts.len() > MOST {
        return Err(format!(
            "{} items; at most {MOST} are accepted",
            texts.len()
        ));
    }
    for text in &texts {
        formed(form, text, trust)?;
    }
    Ok(json!(texts))
}

fn item(item: &Raw) -> Result<&str, String> {
    let wrong = || {
        format!(
            "a list of texts is expected, but one item is {}",
            item.name()
        )
    };
    item.text().ok_or_else(wrong)
}

/// The value is of another type, or a word that is none of those known.
fn mismatch(key: &Key, raw: &Raw) -> String {
    let found = match raw.text() {
        Some(text) => format!("\"{}\"", shorten(text)),
        None => raw.name().to_owned(),
    };
    format!("expected {}, found {found}", key.kind)
}
