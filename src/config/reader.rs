//! Entries against the key table: what is known, well formed and in its place goes into the layer, all else becomes a
//! problem that says what to do.

use std::collections::BTreeMap;

use super::key::{AGENTS, Key, Scope};
use super::layer::{Findings, Layer, Place, Setting};
use super::problem::Problem;
use super::raw::{Entry, Raw};
use super::{agents, check, key_value};

/// A person reads the first page; a file with more wrong than this is not a config file.
const MOST_PROBLEMS: usize = 50;

/// A layer in the making.
pub(super) struct Reader {
    layer: Layer,
    findings: Findings,
}

impl Reader {
    /// An empty layer of this name.
    pub fn new(place: Place, origin: &str) -> Self {
        Reader {
            layer: Layer {
                place,
                origin: origin.to_owned(),
                settings: BTreeMap::new(),
                agents: BTreeMap::new(),
            },
            findings: Findings::default(),
        }
    }

    /// The layer, its findings in the order of the file.
    pub fn finish(mut self, findings: &mut Findings) -> Layer {
        self.findings
            .problems
            .sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        findings.problems.append(&mut self.findings.problems);
        findings.warnings.append(&mut self.findings.warnings);
        self.layer
    }

    /// Check entries against their keys and keep what is well.
    pub fn take(&mut self, entries: &[Entry]) {
        for entry in entries {
            if self.findings.problems.len() > MOST_PROBLEMS {
                return;
            }
            match Key::find(&entry.key) {
                Some(key) => self.setting(key, entry),
                None if entry.key == AGENTS => self.agents(entry),
                None => self.unknown(entry),
            }
        }
    }

    fn setting(&mut self, key: &'static Key, entry: &Entry) {
        if entry.key != key.name {
            let what = format!("the name of an earlier version; write `{}`", key.name);
            self.warning(entry, what);
        }
        if key.scope == Scope::Daemon {
            match self.layer.place {
                Place::Embedded | Place::Daemon => {}
                Place::Workspace | Place::Overrides => {
                    let what = "a key of the daemon; it belongs in ~/.config/loopd/config.toml or in the \
                                file given to `loopd --config`";
                    return self.problem(entry.line, Some(&entry.key), what.to_owned(), None);
                }
                Place::RunFile => {
                    let what = "a key of the daemon; a run leaves it alone";
                    return self.warning(entry, what.to_owned());
                }
            }
        }
        if let Some(earlier) = self.layer.settings.get(key.name) {
            let line = earlier
                .line
                .map(|line| format!(" in line {line}"))
                .unwrap_or_default();
            let what = format!("`{}` is already set{line}; remove one of them", key.name);
            return self.problem(entry.line, Some(&entry.key), what, None);
        }
        match check::value(key, &entry.value, self.layer.place.trust()) {
            Ok(value) => {
                let line = entry.line;
                self.layer
                    .settings
                    .insert(key.name, Setting { value, line });
            }
            Err(what) => self.problem(entry.line, Some(&entry.key), what, None),
        }
    }

    fn agents(&mut self, entry: &Entry) {
        let Raw::Table(tables) = &entry.value else {
            let what = "expected tables such as [agents.NAME] with `driver` and `command`, found";
            let what = format!("{what} {}", entry.value.name());
            return self.problem(entry.line, Some(&entry.key), what, None);
        };
        let (agents, wrong) = agents::definitions(tables);
        self.layer.agents = agents;
        for wrong in wrong {
            self.problem(
                wrong.line.or(entry.line),
                Some(&wrong.key),
                wrong.what,
                None,
            );
        }
    }

    fn unknown(&mut self, entry: &Entry) {
        if entry.key == key_value::SEPARATOR {
            let what = "a key of the older key=value files; here `verify_cmds` is a list";
            return self.problem(entry.line, Some(&entry.key), what.to_owned(), None);
        }
        let what = match &entry.value {
            Raw::Table(inner) if inner.iter().any(|inner| Key::find(&inner.key).is_some()) => {
                "unknown table; keys stand at the top level, before any `[table]`".to_owned()
            }
            Raw::Table(_) => "unknown table; the only tables are [agents.NAME]".to_owned(),
            Raw::Null
            | Raw::Flag(_)
            | Raw::Int(_)
            | Raw::Float(_)
            | Raw::Text(_)
            | Raw::Word(_)
            | Raw::List(_)
            | Raw::Date => "unknown key".to_owned(),
        };
        self.problem(entry.line, Some(&entry.key), what, Key::nearest(&entry.key));
    }

    /// Note a problem; after the first page only that there are more.
    pub fn problem(
        &mut self,
        line: Option<usize>,
        key: Option<&str>,
        what: String,
        nearest: Option<&'static str>,
    ) {
        let found = self.findings.problems.len();
        if found > MOST_PROBLEMS {
            return;
        }
        let problem = Problem {
            origin: self.layer.origin.clone(),
            line,
            key: key.map(str::to_owned),
            what,
            nearest,
        };
        self.findings.problems.push(if found < MOST_PROBLEMS {
            problem
        } else {
            Problem {
                line: None,
                key: None,
                nearest: None,
                what: format!("more than {MOST_PROBLEMS} problems; the rest is not shown"),
                ..problem
            }
        });
    }

    fn warning(&mut self, entry: &Entry, what: String) {
        self.findings.warnings.push(Problem {
            origin: self.layer.origin.clone(),
            line: entry.line,
            key: Some(entry.key.clone()),
            what,
            nearest: None,
        });
    }
}
