//! What is wrong with a configuration: every problem at once, each with its file, line and key.
//! Nothing here decides what is wrong; the reading and checking rooms beside it do.

use std::fmt;

/// One finding in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user knows it, or the name of the request field or flag.
    pub origin: String,
    /// Line in that file, from 1; `None` where there are no lines or the finding concerns the whole file.
    pub line: Option<usize>,
    /// The key, as it was written; `None` where the text could not be read as keys.
    pub key: Option<String>,
    /// What is wrong and what is accepted, as a lowercase fragment.
    pub what: String,
    /// The known key that was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {}", shorten(key))?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(nearest) = self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// A finding that does not stop anything: the text says what happened instead.
pub type Warning = Problem;

/// Everything that is wrong with a configuration, in the order of its layers and lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.problems))]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

/// `Ok(value)` when nothing was found, else all that was found.
pub(super) fn unless_any<T>(value: T, problems: Vec<Problem>) -> Result<T, ConfigErrors> {
    if problems.is_empty() {
        Ok(value)
    } else {
        Err(ConfigErrors { problems })
    }
}

fn render(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Text of the user's inside one of our messages: one line, bounded, control characters made visible.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
