//! pi's `--mode json`. It exits 0 on every error of its provider: the stop reason of the last message is the result.

use serde_json::Value;

use super::{Out, count, list, text, total};
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::text::{one_line, summary};

/// Kinds of lines that say nothing a run needs; most repeat what `message_end` says whole.
const UNINTERESTING: [&str; 15] = [
    "agent_start",
    "agent_end",
    "agent_settled",
    "turn_start",
    "turn_end",
    "message_start",
    "message_update",
    "tool_execution_update",
    "auto_retry_end",
    "compaction_start",
    "compaction_end",
    "queue_update",
    "entry_appended",
    "context_edit",
    "extension_error",
];

#[derive(Debug, Default)]
pub(in crate::agent) struct Pi {
    model: String,
}

impl Pi {
    pub(super) fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        match text(value, "type") {
            "session" => out(Event::Session {
                id: text(value, "id").to_owned(),
            }),
            "message_end" => self.message(value.get("message").unwrap_or(&Value::Null), out),
            "tool_execution_start" => out(Event::Tool {
                name: text(value, "toolName").to_owned(),
                summary: summary(value.get("args").unwrap_or(&Value::Null)),
            }),
            "tool_execution_end" => out(Event::ToolResult {
                ok: value.get("isError") != Some(&Value::Bool(true)),
                summary: one_line(
                    &list(value.get("result").unwrap_or(&Value::Null), "content")
                        .iter()
                        .map(|part| text(part, "text"))
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
            }),
            "auto_retry_start" => {
                let why = text(value, "errorMessage");
                out(Event::Retry {
                    attempt: u32::try_from(count(value, "attempt")).unwrap_or(u32::MAX),
                    delay_ms: count(value, "delayMs"),
                    why: why.to_owned(),
                    fault: Fault::new(None, why),
                });
            }
            kind => return UNINTERESTING.contains(&kind),
        }
        true
    }

    fn message(&mut self, message: &Value, out: Out<'_>) {
        if text(message, "role") != "assistant" {
            return;
        }
        let model = text(message, "model");
        if !model.is_empty() && model != self.model {
            self.model = model.to_owned();
            out(Event::Model {
                name: model.to_owned(),
            });
        }
        for block in list(message, "content") {
            match text(block, "type") {
                "text" => out(Event::Text {
                    text: text(block, "text").to_owned(),
                }),
                "thinking" => out(Event::Note {
                    text: text(block, "thinking").to_owned(),
                }),
                _ => {}
            }
        }
        let used = message.get("usage").unwrap_or(&Value::Null);
        out(Event::Usage {
            input_tokens: total(used, &["input", "cacheRead", "cacheWrite"]),
            output_tokens: count(used, "output"),
            cost_usd: used
                .get("cost")
                .and_then(|cost| cost.get("total"))
                .and_then(Value::as_f64),
            scope: Scope::Request,
        });
        let error = text(message, "errorMessage");
        let end = match text(message, "stopReason") {
            "toolUse" | "pending" => return,
            "stop" => End::Done,
            "aborted" => End::Failed {
                fault: Fault::Interrupted,
                message: error.to_owned(),
            },
            "error" => End::Failed {
                fault: Fault::new(None, error),
                message: error.to_owned(),
            },
            reason => End::Failed {
                fault: Fault::Other,
                message: format!("the model stopped early ({reason}) {error}")
                    .trim_end()
                    .to_owned(),
            },
        };
        out(Event::Result { end, message: None });
    }
}
