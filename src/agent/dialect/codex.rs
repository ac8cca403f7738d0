//! Codex's `exec --json`. "Reconnecting…" is an `error` line that ends nothing; only `turn.failed` ends a turn. Usage
//! counts from the start of the thread, earlier calls that were resumed included. Denials by its sandbox are not told.

use serde_json::Value;

use super::{Out, count, list, text};
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::text::one_line;

#[derive(Debug)]
pub(in crate::agent) struct Codex;

impl Codex {
    pub(super) fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        match text(value, "type") {
            "thread.started" => out(Event::Session {
                id: text(value, "thread_id").to_owned(),
            }),
            "turn.started" => {}
            "turn.completed" => {
                let used = value.get("usage").unwrap_or(&Value::Null);
                out(Event::Usage {
                    input_tokens: count(used, "input_tokens"),
                    output_tokens: count(used, "output_tokens"),
                    cost_usd: None,
                    scope: Scope::Session,
                });
                out(Event::Result {
                    end: End::Done,
                    message: None,
                });
            }
            "turn.failed" => {
                let error = value.get("error").unwrap_or(&Value::Null);
                let message = text(error, "message").to_owned();
                out(Event::Result {
                    end: End::Failed {
                        fault: Fault::new(None, &message),
                        message,
                    },
                    message: None,
                });
            }
            "error" => out(error(text(value, "message"))),
            "item.started" => return started(value.get("item").unwrap_or(&Value::Null), out),
            "item.completed" => return completed(value.get("item").unwrap_or(&Value::Null), out),
            "item.updated" => {}
            _ => return false,
        }
        true
    }
}

fn error(message: &str) -> Event {
    let Some(rest) = message.strip_prefix("Reconnecting... ") else {
        return Event::Error {
            message: message.to_owned(),
        };
    };
    let (counter, why) = rest.split_once(' ').unwrap_or((rest, ""));
    let why = why
        .strip_prefix('(')
        .and_then(|why| why.strip_suffix(')'))
        .unwrap_or(why);
    Event::Retry {
        attempt: counter
            .split('/')
            .next()
            .and_then(|attempt| attempt.parse().ok())
            .unwrap_or(0),
        delay_ms: 0,
        why: why.to_owned(),
        fault: Fault::new(None, why),
    }
}

fn started(item: &Value, out: Out<'_>) -> bool {
    match text(item, "type") {
        "command_execution" => out(Event::Tool {
            name: "shell".to_owned(),
            summary: one_line(text(item, "command")),
        }),
        "mcp_tool_call" => out(Event::Tool {
            name: format!("{}.{}", text(item, "server"), text(item, "tool")),
            summary: String::new(),
        }),
        "agent_message" | "reasoning" | "file_change" | "web_search" | "todo_list" | "error" => {}
        _ => return false,
    }
    true
}

fn completed(item: &Value, out: Out<'_>) -> bool {
    match text(item, "type") {
        "agent_message" => out(Event::Text {
            text: text(item, "text").to_owned(),
        }),
        "reasoning" => out(Event::Note {
            text: text(item, "text").to_owned(),
        }),
        "command_execution" => out(Event::ToolResult {
            ok: item.get("exit_code").and_then(Value::as_i64) == Some(0),
            summary: one_line(text(item, "aggregated_output")),
        }),
        "mcp_tool_call" => out(Event::ToolResult {
            ok: text(item, "status") != "failed",
            summary: String::new(),
        }),
        "file_change" => {
            let paths: Vec<&str> = list(item, "changes")
                .iter()
                .map(|change| text(change, "path"))
                .collect();
            out(Event::Tool {
                name: "edit".to_owned(),
                summary: one_line(&paths.join(" ")),
            });
        }
        "web_search" => out(Event::Tool {
            name: "web_search".to_owned(),
            summary: one_line(text(item, "query")),
        }),
        // A notice: what ends a turn is told by `turn.failed`.
        "error" => out(Event::Note {
            text: text(item, "message").to_owned(),
        }),
        "todo_list" => {}
        _ => return false,
    }
    true
}
