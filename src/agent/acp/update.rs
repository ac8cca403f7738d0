//! What an agent's notifications during a prompt mean. A message comes in chunks, which are joined; a tool call becomes
//! known in parts, and is told once its input is there.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::agent::event::{Event, Scope};
use crate::agent::parser::MAX_MESSAGE_BYTES;
use crate::agent::text::{Tail, one_line, summary};

/// Notifications that say nothing a run needs.
const UNINTERESTING: [&str; 7] = [
    "available_commands_update",
    "config_option_update",
    "current_mode_update",
    "session_info_update",
    "user_message_chunk",
    "agent_thought_chunk",
    "plan",
];

#[derive(Debug)]
pub(super) struct Updates {
    message: Tail,
    message_id: Option<String>,
    /// Tool calls that are not answered yet: their name, and whether they have been told.
    calls: BTreeMap<String, (String, bool)>,
    model: Option<String>,
    /// Cost counts from the start of a session, so it is known of new ones only.
    fresh: bool,
    cost_usd: Option<f64>,
}

impl Updates {
    pub(super) fn new(fresh: bool) -> Self {
        Updates {
            message: Tail::new(MAX_MESSAGE_BYTES),
            message_id: None,
            calls: BTreeMap::new(),
            model: None,
            fresh,
            cost_usd: None,
        }
    }

    pub(super) fn take(&mut self, params: &Value, events: &mut Vec<Event>) {
        let update = params.get("update").unwrap_or(&Value::Null);
        match text(update, "sessionUpdate") {
            "agent_message_chunk" => self.chunk(update, events),
            "tool_call" => {
                self.flush(events);
                self.tool(update, events);
            }
            "tool_call_update" => {
                self.tool(update, events);
                self.tool_result(update, events);
            }
            "usage_update" => self.usage(update, events),
            kind if UNINTERESTING.contains(&kind) => {}
            kind => events.push(Event::Raw {
                line: one_line(&format!("session/update {kind}")),
            }),
        }
    }

    fn chunk(&mut self, update: &Value, events: &mut Vec<Event>) {
        let id = update
            .get("messageId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if id != self.message_id {
            self.flush(events);
            self.message_id = id;
        }
        let said = update.pointer("/content/text").and_then(Value::as_str);
        self.message.push(said.unwrap_or_default());
    }

    fn tool(&mut self, update: &Value, events: &mut Vec<Event>) {
        let id = text(update, "toolCallId");
        let (name, told) = self.calls.entry(id.to_owned()).or_default();
        if *told {
            return;
        }
        let named = [text(update, "name"), text(update, "kind")];
        if let Some(named) = named.into_iter().find(|named| !named.is_empty()) {
            named.clone_into(name);
        }
        let input = update.get("rawInput");
        let tells = input.is_some_and(|input| input.get("command").is_some());
        // Some agents announce a call with an empty input, or with one that says nothing yet.
        let known =
            input.is_none_or(|input| input.as_object().is_some_and(|input| !input.is_empty()));
        let started = matches!(
            text(update, "status"),
            "in_progress" | "completed" | "failed"
        );
        let title = text(update, "title");
        if !known || !(started || tells) || title.is_empty() {
            return;
        }
        *told = true;
        events.push(Event::Tool {
            name: if name.is_empty() {
                "tool".to_owned()
            } else {
                name.clone()
            },
            summary: match input {
                Some(input) if tells => summary(input),
                Some(_) | None => one_line(title),
            },
        });
    }

    fn tool_result(&mut self, update: &Value, events: &mut Vec<Event>) {
        let ok = match text(update, "status") {
            "completed" => true,
            "failed" => false,
            _ => return,
        };
        let answer = match update.get("rawOutput") {
            Some(Value::String(answer)) => one_line(answer),
            Some(_) | None => update
                .pointer("/content/0/content/text")
                .and_then(Value::as_str)
                .map(one_line)
                .unwrap_or_default(),
        };
        self.calls.remove(text(update, "toolCallId"));
        events.push(Event::ToolResult {
            ok,
            summary: answer,
        });
    }

    fn usage(&mut self, update: &Value, events: &mut Vec<Event>) {
        let model = update.pointer("/_meta/_claude~1model");
        if let Some(model) = model.and_then(Value::as_str)
            && self.model.as_deref() != Some(model)
        {
            self.model = Some(model.to_owned());
            events.push(Event::Model {
                name: model.to_owned(),
            });
        }
        let in_dollars = update.pointer("/cost/currency").and_then(Value::as_str) == Some("USD");
        if self.fresh && in_dollars {
            self.cost_usd = update.pointer("/cost/amount").and_then(Value::as_f64);
        }
    }

    /// The answer to the prompt: the figures of the whole call.
    pub(super) fn end(&mut self, result: &Value, events: &mut Vec<Event>) {
        let figure = |places: &[&str]| {
            places
                .iter()
                .filter_map(|place| result.pointer(place).and_then(Value::as_u64))
                .fold(0, u64::saturating_add)
        };
        let (input_tokens, output_tokens) = if result.get("usage").is_some() {
            (
                figure(&[
                    "/usage/inputTokens",
                    "/usage/cachedReadTokens",
                    "/usage/cachedWriteTokens",
                ]),
                figure(&["/usage/outputTokens"]),
            )
        } else {
            (
                figure(&["/_meta/quota/token_count/input_tokens"]),
                figure(&["/_meta/quota/token_count/output_tokens"]),
            )
        };
        if input_tokens > 0 || output_tokens > 0 || self.cost_usd.is_some() {
            events.push(Event::Usage {
                input_tokens,
                output_tokens,
                cost_usd: self.cost_usd,
                scope: Scope::Call,
            });
        }
    }

    /// Gives the message that has been said so far.
    pub(super) fn flush(&mut self, events: &mut Vec<Event>) {
        if !self.message.is_empty() {
            events.push(Event::Text {
                text: self.message.take(),
            });
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
