//! Claude Code's `stream-json`, and Qwen Code's, which borrowed it. `subtype` is "success" even for errors, so the
//! result is read off `is_error`; the order of keys varies; usage figures of a resumed session count from its start,
//! bar those "since the last result".

mod result;

use serde_json::Value;

use super::{Out, count, list, text};
use crate::agent::event::{Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::text::{one_line, summary};
use crate::core::run::agent_result::Usage;
use crate::core::time::Time;
use result::{usage_event, usage_of};

/// Kinds of lines that say nothing a run needs.
const UNINTERESTING: [&str; 8] = [
    "stream_event",
    "tool_progress",
    "tool_use_summary",
    "auth_status",
    "keep_alive",
    "control_request",
    "control_response",
    "prompt_suggestion",
];

#[derive(Debug)]
pub(in crate::agent) struct Claude {
    qwen: bool,
    session: String,
    model: String,
    /// The message whose tokens were counted last: every block of a message repeats them.
    counted: String,
    /// Used up to the last result of this call.
    settled: Usage,
    /// Ids of denied tool calls: the result repeats them.
    denied: Vec<String>,
    /// When the window that refused a request starts anew.
    resets_at: Option<Time>,
}

impl Claude {
    pub(super) fn new(qwen: bool) -> Self {
        Claude {
            qwen,
            session: String::new(),
            model: String::new(),
            counted: String::new(),
            settled: Usage::default(),
            denied: Vec::new(),
            resets_at: None,
        }
    }

    pub(super) fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        match text(value, "type") {
            "system" => self.system(value, out),
            "assistant" => self.assistant(value, out),
            "user" => tool_results(value, out),
            "rate_limit_event" => self.limit(value, out),
            "result" => self.result(value, out),
            kind => return UNINTERESTING.contains(&kind),
        }
        true
    }

    fn system(&mut self, value: &Value, out: Out<'_>) {
        match text(value, "subtype") {
            "init" => {
                let session = text(value, "session_id");
                if !session.is_empty() && session != self.session {
                    self.session = session.to_owned();
                    out(Event::Session {
                        id: session.to_owned(),
                    });
                }
                let model = text(value, "model");
                if !model.is_empty() && model != self.model {
                    self.model = model.to_owned();
                    out(Event::Model {
                        name: model.to_owned(),
                    });
                }
            }
            "api_retry" => {
                let error = text(value, "error");
                let status = status(value, "error_status");
                out(Event::Retry {
                    attempt: small(count(value, "attempt")),
                    delay_ms: count(value, "retry_delay_ms"),
                    why: match status {
                        Some(status) => format!("{status} {error}"),
                        None if error == "unknown" => "no answer from the provider".to_owned(),
                        None => error.to_owned(),
                    },
                    fault: Fault::new(status, error),
                });
            }
            "retry" => {
                let data = value.get("data").unwrap_or(&Value::Null);
                if count(data, "attempt") > 0 {
                    out(Event::Retry {
                        attempt: small(count(data, "attempt")),
                        delay_ms: count(data, "delayMs"),
                        why: "the provider did not answer as wanted".to_owned(),
                        fault: Fault::Other,
                    });
                }
            }
            "permission_denied" => {
                self.denied.push(text(value, "tool_use_id").to_owned());
                out(Event::Denied {
                    what: one_line(&format!(
                        "{}: {}",
                        text(value, "tool_name"),
                        text(value, "message")
                    )),
                });
            }
            // Hooks, compaction, status: of no use to a run.
            _ => {}
        }
    }

    fn assistant(&mut self, value: &Value, out: Out<'_>) {
        let message = value.get("message").unwrap_or(&Value::Null);
        let api_error = value.get("is_api_error_message") == Some(&Value::Bool(true));
        let sub_agent = value
            .get("parent_tool_use_id")
            .is_some_and(Value::is_string);
        for block in list(message, "content") {
            match text(block, "type") {
                "text" => {
                    let said = text(block, "text").to_owned();
                    out(
                        if api_error || (self.qwen && said.starts_with("[API Error:")) {
                            Event::Error { message: said }
                        } else if sub_agent {
                            Event::Note { text: said }
                        } else {
                            Event::Text { text: said }
                        },
                    );
                }
                "thinking" => {
                    let thought = text(block, "thinking");
                    if !thought.is_empty() {
                        out(Event::Note {
                            text: thought.to_owned(),
                        });
                    }
                }
                "tool_use" | "server_tool_use" => tool(block, out),
                _ => {}
            }
        }
        self.count_message(message, out);
    }

    /// Counts a message's tokens once, so that a call that is cut short has figures too; a result replaces them.
    fn count_message(&mut self, message: &Value, out: Out<'_>) {
        let id = text(message, "id");
        let Some(used) = message.get("usage") else {
            return;
        };
        let usage = usage_of(used, self.qwen);
        if id == self.counted || (usage.input_tokens == 0 && usage.output_tokens == 0) {
            return;
        }
        self.counted = id.to_owned();
        out(usage_event(usage, Scope::Request));
    }

    fn limit(&mut self, value: &Value, out: Out<'_>) {
        let info = value.get("rate_limit_info").unwrap_or(&Value::Null);
        let name = text(info, "rateLimitType");
        let rejected = text(info, "status") == "rejected";
        let main = info.get("unifiedWindows").and_then(Value::as_object);
        for (window, state) in main.into_iter().flatten() {
            if window != name {
                out(limit_event(
                    window,
                    state,
                    text(state, "status") == "rejected",
                ));
            }
        }
        let mut event = limit_event(name, info, rejected);
        if let Event::Limit { used, .. } = &mut event {
            *used = main
                .and_then(|windows| windows.get(name))
                .and_then(|state| state.get("utilization"))
                .and_then(Value::as_f64);
        }
        if rejected {
            self.resets_at = epoch(info, "resetsAt");
        }
        out(event);
    }
}

fn tool(block: &Value, out: Out<'_>) {
    let name = text(block, "name");
    let input = block.get("input").unwrap_or(&Value::Null);
    for question in list(input, "questions") {
        out(Event::Question {
            text: text(question, "question").to_owned(),
        });
    }
    out(Event::Tool {
        name: name.to_owned(),
        summary: summary(input),
    });
}

fn tool_results(value: &Value, out: Out<'_>) {
    let message = value.get("message").unwrap_or(&Value::Null);
    for block in list(message, "content") {
        if text(block, "type") == "tool_result" {
            let answer = match block.get("content") {
                Some(Value::String(answer)) => answer.clone(),
                Some(Value::Array(parts)) => parts
                    .iter()
                    .map(|part| text(part, "text"))
                    .collect::<Vec<_>>()
                    .join(" "),
                Some(_) | None => String::new(),
            };
            out(Event::ToolResult {
                ok: block.get("is_error") != Some(&Value::Bool(true)),
                summary: one_line(&answer),
            });
        }
    }
}

fn limit_event(window: &str, state: &Value, rejected: bool) -> Event {
    Event::Limit {
        window: window.to_owned(),
        used: state.get("utilization").and_then(Value::as_f64),
        resets_at: epoch(state, "resetsAt"),
        rejected,
    }
}

fn status(value: &Value, key: &str) -> Option<u16> {
    u16::try_from(value.get(key)?.as_u64()?).ok()
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn epoch(value: &Value, key: &str) -> Option<Time> {
    let seconds = value.get(key)?.as_i64()?;
    Some(Time(seconds.saturating_mul(1000)))
}
