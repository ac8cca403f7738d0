//! `[agents.NAME]` tables: their few keys, checked as strictly as the rest. Which drivers there are, what each needs, and
//! which agents exist without a definition is the agent room's to say.

use std::collections::BTreeMap;

use super::problem::shorten;
use super::raw::{Entry, Raw};
use super::types::AgentDefinition;

/// Something wrong inside the table: where, under which dotted key, and what.
pub(super) struct Wrong {
    pub line: Option<usize>,
    pub key: String,
    pub what: String,
}

const FIELDS: &str = "`driver`, `command`, `args` and `env`";

/// All definitions of the `agents` table of one layer.
pub(super) fn definitions(tables: &[Entry]) -> (BTreeMap<String, AgentDefinition>, Vec<Wrong>) {
    let mut agents = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in tables {
        match definition(entry) {
            Ok(agent) => {
                agents.insert(entry.key.clone(), agent);
            }
            Err(mut found) => wrong.append(&mut found),
        }
    }
    (agents, wrong)
}

fn definition(entry: &Entry) -> Result<AgentDefinition, Vec<Wrong>> {
    let dotted = format!("agents.{}", shorten(&entry.key));
    let at = |line: Option<usize>, key: &str, what: String| Wrong {
        line: line.or(entry.line),
        key: key.to_owned(),
        what,
    };
    let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if entry.key.is_empty() || entry.key.len() > 64 || !entry.key.chars().all(named) {
        let what = "the name of an agent is 1 to 64 letters, digits, `-`, `_` and `.`".to_owned();
        return Err(vec![at(None, &dotted, what)]);
    }
    let Raw::Table(fields) = &entry.value else {
        let what = format!(
            "expected a table with {FIELDS}, found {}",
            entry.value.name()
        );
        return Err(vec![at(None, &dotted, what)]);
    };
    let mut wrong = Vec::new();
    let mut agent = AgentDefinition::default();
    for field in fields.iter().filter(|field| field.value != Raw::Null) {
        let read = match field.key.as_str() {
            "driver" => word_of(&field.value).map(|found| agent.driver = Some(found)),
            "command" => word_of(&field.value).map(|found| agent.command = Some(found)),
            "args" => args_of(&field.value).map(|found| agent.args = found),
            "env" => env_of(&field.value).map(|found| agent.env = found),
            _ => Err(format!("unknown key; an agent has {FIELDS}")),
        };
        if let Err(what) = read {
            let key = format!("{dotted}.{}", shorten(&field.key));
            wrong.push(at(field.line, &key, what));
        }
    }
    if wrong.is_empty() {
        Ok(agent)
    } else {
        Err(wrong)
    }
}

fn word_of(raw: &Raw) -> Result<String, String> {
    let word = text_of(raw)?;
    if word.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(word)
}

/// Text that can be handed to a process: a NUL would end it early.
fn text_of(raw: &Raw) -> Result<String, String> {
    match raw.text() {
        Some(text) if text.contains('\0') => Err("it contains a NUL".to_owned()),
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("expected text, found {}", raw.name())),
    }
}

fn args_of(raw: &Raw) -> Result<Vec<String>, String> {
    let Raw::List(items) = raw else {
        return Err(format!("expected a list of texts, found {}", raw.name()));
    };
    items.iter().map(text_of).collect()
}

fn env_of(raw: &Raw) -> Result<BTreeMap<String, String>, String> {
    let Raw::Table(variables) = raw else {
        return Err(format!("expected a table of texts, found {}", raw.name()));
    };
    variables
        .iter()
        .map(|variable| {
            let name = &variable.key;
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(legal)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(format!("\"{}\" is no name of a variable", shorten(name)));
            }
            if name.starts_with("LOOPD_") {
                return Err(format!(
                    "{name}: loopd's own variables never reach an agent"
                ));
            }
            let text = text_of(&variable.value).map_err(|what| format!("{name}: {what}"))?;
            Ok((name.clone(), text))
        })
        .collect()
}
