//! The older writing, `key=value`: one setting a line, quotes optional, `#` comments. It is read as strictly as TOML:
//! a line that is none of these is an error, never skipped. What a value means is for its key to say, but for the one
//! rule that belongs to this writing: `verify_cmds_separator`.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::problem::shorten;
use super::raw::{Entry, Raw};
use super::toml_text::Read;

/// Says how `verify_cmds` is split; a key of this writing only.
pub(super) const SEPARATOR: &str = "verify_cmds_separator";

/// Read a file of this writing.
pub(super) fn read(text: &str) -> Read {
    let mut entries: Vec<Entry> = Vec::new();
    let mut first_lines: HashMap<String, usize> = HashMap::new();
    let mut errors = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match setting(line) {
            Ok(None) => {}
            Ok(Some((key, value))) => match first_lines.entry(key) {
                Slot::Occupied(slot) => errors.push((
                    number,
                    format!(
                        "`{}` is already set in line {}; remove one of them",
                        shorten(slot.key()),
                        slot.get()
                    ),
                )),
                Slot::Vacant(slot) => {
                    entries.push(Entry {
                        key: slot.key().clone(),
                        value: Raw::Word(value),
                        line: Some(number),
                    });
                    slot.insert(number);
                }
            },
            Err(what) => errors.push((number, what.to_owned())),
        }
    }
    split_commands(&mut entries, &mut errors);
    Read { entries, errors }
}

/// One line: a setting, nothing (blank or comment), or what is wrong with it.
fn setting(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err("a control character; the file has to be plain text");
    }
    if line.starts_with('[') {
        return Err("tables need TOML; name the file `config.toml`");
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err("expected `key=value`, a comment or an empty line");
    };
    let key = key.trim_end();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err("expected one word before the `=`");
    }
    Ok(Some((key.to_owned(), unquoted(value.trim_start())?)))
}

fn unquoted(value: &str) -> Result<String, &'static str> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        // A `#` begins a comment only after a space: `a#b` is a value.
        let end = value
            .char_indices()
            .find(|(at, c)| {
                *c == '#'
                    && value[..*at]
                        .chars()
                        .next_back()
                        .is_none_or(char::is_whitespace)
            })
            .map_or(value.len(), |(at, _)| at);
        let value = value[..end].trim_end();
        if value.starts_with('[') {
            return Err("a list needs TOML; name the file `config.toml`");
        }
        return Ok(value.to_owned());
    };
    let inner = &value[quote.len_utf8()..];
    let Some((inner, rest)) = inner.split_once(quote) else {
        return Err("the closing quote is missing");
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(inner.to_owned())
    } else {
        Err("text after the closing quote; quote the whole value with the other kind of quotes")
    }
}

/// `verify_cmds` is one command, or several split at ` | ` where `verify_cmds_separator = "|"` says so: a pipe inside
/// a command must not become two checks by accident.
fn split_commands(entries: &mut Vec<Entry>, errors: &mut Vec<(usize, String)>) {
    let separator = entries
        .iter()
        .position(|entry| entry.key == SEPARATOR)
        .map(|at| entries.remove(at));
    let split = match &separator {
        None => false,
        Some(Entry {
            value: Raw::Word(word),
            ..
        }) if word == "|" => true,
        Some(other) => {
            errors.push((
                other.line.unwrap_or_default(),
                format!("`{SEPARATOR}` can only be \"|\""),
            ));
            false
        }
    };
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.key == "verify_cmds")
    {
        if let Raw::Word(commands) = &entry.value {
            let list = |parts: Vec<&str>| {
                Raw::List(
                    parts
                        .into_iter()
                        .map(|part| Raw::Text(part.trim().to_owned()))
                        .collect(),
                )
            };
            entry.value = match (commands.trim(), split) {
                ("", _) => list(Vec::new()),
                (one, false) => list(vec![one]),
                (several, true) => list(several.split(" | ").collect()),
            };
        }
    }
}
