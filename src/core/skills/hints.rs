//! Hints: a task or a spec that names the skills it wants, `skill: NAME` or `skills: NAME, NAME`. In a task anywhere in its
//! text; in a spec only as a line of its own, because a spec is prose in which the word may stand for something else.

use super::front_matter::is_name;

/// Names that one text may ask for; more would not fit.
const MOST: usize = 16;

/// The names that a task asks for, in its order.
pub fn in_task(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices("skill") {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.')) {
            continue;
        }
        let rest = lower.get(at + "skill".len()..).unwrap_or_default();
        let plural = usize::from(rest.starts_with('s'));
        if rest.get(plural..).is_some_and(|rest| rest.starts_with(':')) {
            let names = text.get(at + "skill:".len() + plural..).unwrap_or_default();
            add(&mut found, names, false);
        }
    }
    found
}

/// The names that a spec asks for: in lines of their own, outside of code fences.
pub fn in_spec(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let line = line.trim_start_matches(['-', '*', '+', '>', ' ']);
        let lower = line.to_ascii_lowercase();
        let head = ["skills:", "skill:", "skills:**", "skill:**"];
        if let Some(head) = head.iter().rfind(|head| lower.starts_with(**head)) {
            let names = line.get(head.len()..).unwrap_or_default();
            add(&mut found, names, true);
        }
    }
    found
}

/// Adds the names that a text begins with, parted by commas. `whole`: only if there is nothing else.
fn add(found: &mut Vec<String>, text: &str, whole: bool) {
    let text = text.lines().next().unwrap_or_default();
    let mut names = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let word = part.split_whitespace().next().unwrap_or_default();
        let end = |c: char| matches!(c, '`' | '"' | '\'' | '(' | ')' | '[' | ']' | '*' | ';');
        let name = word
            .trim_matches(end)
            .trim_end_matches(['.', ':', '!', '?']);
        if !is_name(name) {
            if whole {
                return;
            }
            break;
        }
        names.push(name.to_owned());
        if word.len() < part.len() {
            if whole {
                return;
            }
            break;
        }
    }
    for name in names {
        if found.len() < MOST && !found.contains(&name) {
            found.push(name);
        }
    }
}
