//! The names that templates can use, and what is said to somebody who has used another.

use std::collections::BTreeMap;

use minijinja::Environment;
use serde_json::Value as Json;

use super::error::PromptError;
use super::facts::PromptFacts;

/// Names of facts, with the fields of those that have some.
fn known_names() -> BTreeMap<String, Vec<String>> {
    let fields = |value: &Json| -> Vec<String> {
        let record = match value {
            Json::Array(items) => items.first().and_then(Json::as_object),
            other => other.as_object(),
        };
        record
            .map(|record| record.keys().cloned().collect())
            .unwrap_or_default()
    };
    let example = serde_json::to_value(PromptFacts::example()).unwrap_or_default();
    let names = example.as_object().into_iter().flatten();
    names
        .map(|(name, value)| (name.clone(), fields(value)))
        .collect()
}

/// Whether a template can name this: a fact, or a function of the template language.
pub(super) fn is_known(variable: &str, environment: &Environment<'_>) -> bool {
    known_names().contains_key(variable)
        || environment.globals().any(|(global, _)| global == variable)
}

/// The error about a name that is not known, with the nearest and with all that are.
pub(super) fn unknown(template: &str, line: usize, name: String) -> PromptError {
    let known = known_names();
    let nearest = known
        .keys()
        .map(|known| (strsim::damerau_levenshtein(&name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .map(|(_, known)| known.clone());
    let listed = known.iter().map(|(name, fields)| {
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", fields.join(", "))
        };
        format!("{name}{fields}")
    });
    PromptError::Unknown {
        template: template.to_owned(),
        line,
        nearest,
        known: listed.collect::<Vec<_>>().join(", "),
        name,
    }
}

/// The first line where the name stands inside a tag, from 1.
pub(super) fn line_of(source: &str, name: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut in_tag = false;
    for (number, line) in (1..).zip(source.lines()) {
        for (at, _) in line.match_indices(name) {
            let before = &line[..at];
            let opened = match (before.rfind('{'), before.rfind('}')) {
                (Some(open), Some(close)) => open > close,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => in_tag,
            };
            let whole = !before.ends_with(word) && !line[at + name.len()..].starts_with(word);
            if opened && whole {
                return number;
            }
        }
        in_tag = match (line.rfind('{'), line.rfind('}')) {
            (Some(open), Some(close)) => open > close,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => in_tag,
        };
    }
    1
}
