//! opencode's `run --format json`. There is no line for the end: a step that finishes with `stop` is it. Retries are
//! silent; the provider's headers come with the error it gives up with.

use serde_json::Value;

use super::{Out, count, text, total};
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::reset::Reset;
use crate::agent::text::{one_line, summary};

#[derive(Debug, Default)]
pub(in crate::agent) struct Opencode {
    session: String,
}

impl Opencode {
    pub(super) fn value(&mut self, value: &Value, out: Out<'_>) -> bool {
        let session = text(value, "sessionID");
        if !session.is_empty() && session != self.session {
            self.session = session.to_owned();
            out(Event::Session {
                id: session.to_owned(),
            });
        }
        let part = value.get("part").unwrap_or(&Value::Null);
        match text(value, "type") {
            "step_start" => {}
            "text" => out(Event::Text {
                text: text(part, "text").to_owned(),
            }),
            "reasoning" => out(Event::Note {
                text: text(part, "text").to_owned(),
            }),
            "tool_use" => tool(part, out),
            "step_finish" => step_finish(part, out),
            "error" => out(failure(value.get("error").unwrap_or(&Value::Null))),
            _ => return false,
        }
        true
    }
}

fn tool(part: &Value, out: Out<'_>) {
    let state = part.get("state").unwrap_or(&Value::Null);
    out(Event::Tool {
        name: text(part, "tool").to_owned(),
        summary: summary(state.get("input").unwrap_or(&Value::Null)),
    });
    let exit = state
        .get("metadata")
        .and_then(|metadata| metadata.get("exit"))
        .and_then(Value::as_i64);
    if text(state, "status") == "error" {
        out(Event::ToolResult {
            ok: false,
            summary: one_line(text(state, "error")),
        });
    } else {
        out(Event::ToolResult {
            ok: exit.is_none_or(|exit| exit == 0),
            summary: one_line(text(state, "output")),
        });
    }
}

fn step_finish(part: &Value, out: Out<'_>) {
    let tokens = part.get("tokens").unwrap_or(&Value::Null);
    let cache = tokens.get("cache").unwrap_or(&Value::Null);
    out(Event::Usage {
        input_tokens: count(tokens, "input").saturating_add(total(cache, &["read", "write"])),
        output_tokens: total(tokens, &["output", "reasoning"]),
        cost_usd: part.get("cost").and_then(Value::as_f64),
        scope: Scope::Request,
    });
    let end = match text(part, "reason") {
        "tool-calls" => return,
        "stop" => End::Done,
        reason => End::Failed {
            fault: Fault::Other,
            message: format!("the model stopped early ({reason})"),
        },
    };
    out(Event::Result { end, message: None });
}

fn failure(error: &Value) -> Event {
    let data = error.get("data").unwrap_or(&Value::Null);
    let name = text(error, "name");
    let message = text(data, "message").to_owned();
    let status = data
        .get("statusCode")
        .and_then(Value::as_u64)
        .and_then(|status| u16::try_from(status).ok());
    let mut fault = match name {
        "MessageAbortedError" => Fault::Interrupted,
        _ => Fault::new(
            status,
            &format!("{name} {message} {}", text(data, "responseBody")),
        ),
    };
    let retry_after = data
        .get("responseHeaders")
        .map(|headers| text(headers, "retry-after"))
        .and_then(|seconds| seconds.parse().ok());
    if let (Fault::Limited { reset }, Some(sec)) = (&mut fault, retry_after) {
        *reset = Reset::After { sec };
    }
    Event::Result {
        end: End::Failed { fault, message },
        message: None,
    }
}
