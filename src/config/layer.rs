//! One layer: a file or an object of settings, read, named and checked by itself. A layer is a function of its bytes
//! and of where they come from; how layers override each other is `resolve`'s.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::form::Trust;
use super::problem::{Problem, Warning};
use super::raw::Entry;
use super::reader::Reader;
use super::types::AgentDefinition;
use super::{key_value, toml_text};

/// A file, as its reader hands it in.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How the user knows it: its path. A name that ends in `.toml` is read as TOML, any other as `key=value`.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Where a layer comes from; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Embedded,
    /// The user's file, or the one given to `loopd --config`, or loopd's flags.
    Daemon,
    Workspace,
    /// The file given to `loopctl run --config`.
    RunFile,
    /// `config_override` of a request; flags of `loopctl run` come this way too.
    Overrides,
}

impl Place {
    pub fn trust(self) -> Trust {
        match self {
            Place::Workspace => Trust::Workspace,
            Place::Embedded | Place::Daemon | Place::RunFile | Place::Overrides => Trust::Full,
        }
    }
}

/// What one layer says.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub place: Place,
    pub origin: String,
    /// By key name, never by alias.
    pub settings: BTreeMap<&'static str, Setting>,
    pub agents: BTreeMap<String, AgentDefinition>,
}

/// One checked value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub value: Value,
    pub line: Option<usize>,
}

/// What was found on the way, over all layers.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
}

impl Layer {
    /// Read a file. Whatever is wrong goes to `findings`; the layer holds the rest.
    pub fn of_file(place: Place, source: Source<'_>, findings: &mut Findings) -> Layer {
        let mut reader = Reader::new(place, source.name);
        match text_of(source.bytes) {
            Ok(text) => {
                let is_toml = Path::new(source.name)
                    .extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
                let read = if is_toml {
                    toml_text::read(text)
                } else {
                    key_value::read(text)
                };
                for (line, what) in read.errors {
                    reader.problem(Some(line), None, what, None);
                }
                reader.take(&read.entries);
            }
            Err((line, what)) => reader.problem(line, None, what, None),
        }
        reader.finish(findings)
    }

    /// Read settings that are values already.
    pub fn of_entries(
        place: Place,
        origin: &str,
        entries: &[Entry],
        findings: &mut Findings,
    ) -> Layer {
        let mut reader = Reader::new(place, origin);
        reader.take(entries);
        reader.finish(findings)
    }
}

/// More is no configuration that a person has written.
pub const MOST_BYTES: usize = 256 * 1024;

/// The text of a file: UTF-8, with or without a byte order mark, of a size that a person may have written.
fn text_of(bytes: &[u8]) -> Result<&str, (Option<usize>, String)> {
    if bytes.len() > MOST_BYTES {
        let what = format!("it is too large; a config file has at most {MOST_BYTES} bytes");
        return Err((None, what));
    }
    let line_at = |offset: usize| {
        let before = bytes.get(..offset).unwrap_or_default();
        Some(before.iter().filter(|byte| **byte == b'\n').count() + 1)
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        (
            line_at(error.valid_up_to()),
            "not UTF-8; save it as UTF-8".to_owned(),
        )
    })?;
    if let Some(at) = text.find('\0') {
        return Err((
            line_at(at),
            "a NUL byte; the file has to be plain text".to_owned(),
        ));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
