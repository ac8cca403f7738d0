//! The dialects: what the lines of each agent mean. A reader turns lines into events and keeps only what it needs to
//! understand the next line; it neither judges nor counts.

mod aider;
mod claude;
mod codex;
mod gemini;
mod normal;
mod opencode;
mod pi;
mod plain;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;

/// The languages that agents speak on their standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Claude Code, `--output-format stream-json`.
    Claude,
    /// Codex, `exec --json`.
    Codex,
    /// Gemini CLI, `-o stream-json`.
    Gemini,
    /// opencode, `run --format json`.
    Opencode,
    /// Qwen Code, `-o stream-json`: Claude's words with another grammar of errors.
    Qwen,
    /// pi, `--mode json`.
    Pi,
    /// aider's text.
    Aider,
    /// Any text: the whole output is the message, and the exit status is the result.
    Text,
    /// Our own events as JSON lines: the built-in agent and the bridge to the Agent Client Protocol.
    Normal,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Dialect; 9] = [
        Dialect::Claude,
        Dialect::Codex,
        Dialect::Gemini,
        Dialect::Opencode,
        Dialect::Qwen,
        Dialect::Pi,
        Dialect::Aider,
        Dialect::Text,
        Dialect::Normal,
    ];

    /// The name that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Claude => "claude",
            Dialect::Codex => "codex",
            Dialect::Gemini => "gemini",
            Dialect::Opencode => "opencode",
            Dialect::Qwen => "qwen",
            Dialect::Pi => "pi",
            Dialect::Aider => "aider",
            Dialect::Text => "text",
            Dialect::Normal => "normal",
        }
    }

    /// The dialect of a stored name; `None` for a name of none.
    pub fn named(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// What a person does when the credentials were refused.
    pub(super) fn login_hint(self) -> &'static str {
        match self {
            Dialect::Claude => {
                "log in with `claude` and /login, or set ANTHROPIC_API_KEY where loopd runs"
            }
            Dialect::Codex => "log in with `codex login`, or set OPENAI_API_KEY where loopd runs",
            Dialect::Gemini => "log in with `gemini`, or set GEMINI_API_KEY where loopd runs",
            Dialect::Opencode => "log in with `opencode auth login`",
            Dialect::Qwen => "log in with `qwen`, or set OPENAI_API_KEY where loopd runs",
            Dialect::Pi => {
                "log in with `pi` and /login, or set the provider's API key where loopd runs"
            }
            Dialect::Aider => "set the provider's API key where loopd runs",
            Dialect::Text | Dialect::Normal => {
                "log in with the agent's own command, or set its API key where loopd runs"
            }
        }
    }
}

/// Where a reader puts its events.
pub(super) type Out<'a> = &'a mut dyn FnMut(Event);

/// The reader of one stream.
#[derive(Debug)]
pub(super) enum Reader {
    Claude(claude::Claude),
    Codex(codex::Codex),
    Gemini(gemini::Gemini),
    Opencode(opencode::Opencode),
    Pi(pi::Pi),
    Aider(aider::Aider),
    Plain(plain::Plain),
    Normal,
}

impl Reader {
    pub(super) fn new(dialect: Dialect) -> Reader {
        match dialect {
            Dialect::Claude => Reader::Claude(claude::Claude::new(false)),
            Dialect::Qwen => Reader::Claude(claude::Claude::new(true)),
            Dialect::Codex => Reader::Codex(codex::Codex),
            Dialect::Gemini => Reader::Gemini(gemini::Gemini::new()),
            Dialect::Opencode => Reader::Opencode(opencode::Opencode::default()),
            Dialect::Pi => Reader::Pi(pi::Pi::default()),
            Dialect::Aider => Reader::Aider(aider::Aider::new()),
            Dialect::Text => Reader::Plain(plain::Plain::new()),
            Dialect::Normal => Reader::Normal,
        }
    }

    /// Reads one line. A line that is not understood becomes [`Event::Raw`].
    pub(super) fn line(&mut self, line: &str, out: Out<'_>) {
        match self {
            Reader::Aider(aider) => return aider.line(line, out),
            Reader::Plain(plain) => return plain.line(line, out),
            Reader::Claude(_)
            | Reader::Codex(_)
            | Reader::Gemini(_)
            | Reader::Opencode(_)
            | Reader::Pi(_)
            | Reader::Normal => {}
        }
        if line.trim().is_empty() {
            return;
        }
        let understood = match serde_json::from_str::<Value>(line) {
            Ok(value) => self.value(&value, out),
            Err(_) => false,
        };
        if !understood {
            out(Event::Raw {
                line: super::text::one_line(line),
            });
        }
    }

    fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        match self {
            Reader::Claude(claude) => claude.value(value, out),
            Reader::Codex(codex) => codex.value(value, out),
            Reader::Gemini(gemini) => gemini.value(value, out),
            Reader::Opencode(opencode) => opencode.value(value, out),
            Reader::Pi(pi) => pi.value(value, out),
            Reader::Normal => normal::value(value, out),
            Reader::Aider(_) | Reader::Plain(_) => false,
        }
    }

    /// The stream is over. Gives the final message where it is not simply the last [`Event::Text`].
    pub(super) fn end(&mut self, out: Out<'_>) -> Option<String> {
        match self {
            Reader::Gemini(gemini) => {
                gemini.flush(out);
                None
            }
            Reader::Aider(aider) => {
                aider.end(out);
                None
            }
            Reader::Plain(plain) => Some(plain.end()),
            Reader::Claude(_)
            | Reader::Codex(_)
            | Reader::Opencode(_)
            | Reader::Pi(_)
            | Reader::Normal => None,
        }
    }
}

/// `value[key]` as text; empty when it is missing or no text.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `value[key]` as a count; 0 when it is missing or none.
fn count(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// The sum of the counts under `keys`.
fn total(value: &Value, keys: &[&str]) -> u64 {
    keys.iter()
        .fold(0, |sum, key| u64::saturating_add(sum, count(value, key)))
}

/// `value[key]` as a list; empty when it is missing or none.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}
