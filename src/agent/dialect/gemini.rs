//! Gemini CLI's `stream-json`. A message comes in pieces (`delta`): they are joined until something else is said.
//! Retries are told on standard error only, and a denied tool is not told at all.

use serde_json::Value;

use super::{Out, count, text};
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::parser::MAX_MESSAGE_BYTES;
use crate::agent::text::{Tail, one_line, summary};

#[derive(Debug)]
pub(in crate::agent) struct Gemini {
    message: Tail,
}

impl Gemini {
    pub(super) fn new() -> Self {
        Gemini {
            message: Tail::new(MAX_MESSAGE_BYTES),
        }
    }

    pub(super) fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        let kind = text(value, "type");
        if kind == "message" {
            let said = text(value, "content");
            if text(value, "role") == "assistant" {
                if value.get("delta") != Some(&Value::Bool(true)) {
                    self.flush(out);
                }
                self.message.push(said);
            }
            return true;
        }
        self.flush(out);
        match kind {
            "init" => {
                out(Event::Session {
                    id: text(value, "session_id").to_owned(),
                });
                out(Event::Model {
                    name: text(value, "model").to_owned(),
                });
            }
            "tool_use" => out(Event::Tool {
                name: text(value, "tool_name").to_owned(),
                summary: summary(value.get("parameters").unwrap_or(&Value::Null)),
            }),
            "tool_result" => {
                let error = value.get("error").map(|error| text(error, "message"));
                out(Event::ToolResult {
                    ok: text(value, "status") == "success",
                    summary: one_line(error.unwrap_or(text(value, "output"))),
                });
            }
            "error" => out(Event::Error {
                message: text(value, "message").to_owned(),
            }),
            "result" => result(value, out),
            _ => return false,
        }
        true
    }

    /// Gives the message that has been said so far.
    pub(super) fn flush(&mut self, out: Out<'_>) {
        if !self.message.is_empty() {
            out(Event::Text {
                text: self.message.take(),
            });
        }
    }
}

fn result(value: &Value, out: Out<'_>) {
    let stats = value.get("stats").unwrap_or(&Value::Null);
    out(Event::Usage {
        input_tokens: count(stats, "input_tokens"),
        output_tokens: count(stats, "output_tokens"),
        cost_usd: None,
        scope: Scope::Call,
    });
    let end = if text(value, "status") == "success" {
        End::Done
    } else {
        let error = value.get("error").unwrap_or(&Value::Null);
        let message = text(error, "message").to_owned();
        match text(error, "type") {
            "FatalTurnLimitedError" => End::MaxTurns,
            kind => End::Failed {
                fault: Fault::new(None, &format!("{kind} {message}")),
                message,
            },
        }
    };
    out(Event::Result { end, message: None });
}
