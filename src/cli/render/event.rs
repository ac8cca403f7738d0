//! One line for each event: when, which run, what, and the payload's keys.

use serde_json::Value;

use super::style::{ATTENTION, BAD, DIM, GOOD, paint};
use super::text::{plain, tail};
use super::time::moment;
use crate::api::wire::EventRecord;

/// An event.
pub fn line(event: &EventRecord) -> String {
    let style = match event.kind.as_str() {
        "RUN_COMPLETED" => GOOD,
        "RUN_FAILED" | "MERGE_CONFLICT" => BAD,
        "RUN_PAUSED" | "RUN_BLOCKED" | "AGENT_LIMITED" | "WATCHDOG_REWRITE" => ATTENTION,
        _ => anstyle::Style::new(),
    };
    let run = event.run_id.map_or_else(|| "-       ".to_owned(), tail);
    let kind = paint(style, &plain(&event.kind));
    let when = paint(DIM, &moment(event.at));
    let mut line = format!("{when}  {run}  {kind}");
    if let Value::Object(payload) = &event.payload {
        for (key, value) in payload {
            line.push_str(&format!("  {}={}", paint(DIM, &plain(key)), short(value)));
        }
    }
    line
}

/// A value of the payload; a prompt of many lines is cut, `--json` has the whole.
fn short(value: &Value) -> String {
    const MOST: usize = 120;
    let text = match value {
        Value::String(text) => plain(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            plain(&value.to_string())
        }
    };
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
