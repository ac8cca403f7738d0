//! The `result` line: how the turn ended, and what it used.

use serde_json::Value;

use super::{Claude, Out, count, list, status, text};
use crate::agent::dialect::total;
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::reset::Reset;
use crate::agent::text::summary;
use crate::core::run::agent_result::Usage;

impl Claude {
    pub(super) fn result(&mut self, value: &Value, out: Out<'_>) {
        for denial in list(value, "permission_denials") {
            let id = text(denial, "tool_use_id");
            if !self.denied.iter().any(|known| known == id) {
                let input = denial.get("tool_input").unwrap_or(&Value::Null);
                out(Event::Denied {
                    what: format!("{}: {}", text(denial, "tool_name"), summary(input)),
                });
            }
        }
        self.count_result(value, out);
        let said = match value.get("structured_output") {
            Some(structured) if structured.is_object() => Some(structured.to_string()),
            Some(_) | None => value
                .get("result")
                .and_then(Value::as_str)
                .map(str::to_owned),
        };
        let failed = value.get("is_error") == Some(&Value::Bool(true));
        let end = match (text(value, "subtype"), failed) {
            ("error_max_turns", _) => End::MaxTurns,
            ("error_max_budget_usd", _) => End::Budget,
            (_, false) => End::Done,
            (_, true) => self.failure(value, said.as_deref()),
        };
        let message = if failed { None } else { said };
        out(Event::Result { end, message });
    }

    fn failure(&self, value: &Value, said: Option<&str>) -> End {
        let mut message = said.unwrap_or_default().to_owned();
        if message.is_empty() {
            message = value
                .get("error")
                .map(|error| text(error, "message").to_owned())
                .unwrap_or_default();
        }
        if message.is_empty() {
            let errors: Vec<&str> = list(value, "errors")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            message = errors.join("; ");
        }
        let reason = text(value, "terminal_reason");
        let fault = if reason.starts_with("aborted") {
            Fault::Interrupted
        } else {
            let kinds = format!(
                "{} {} {reason} {message}",
                text(value, "api_error"),
                text(value, "api_error_type")
            );
            Fault::new(status(value, "api_error_status"), &kinds)
        };
        let fault = match (fault, self.resets_at) {
            (Fault::Limited { reset: _ }, Some(time)) => Fault::Limited {
                reset: Reset::At { time },
            },
            (fault, _) => fault,
        };
        End::Failed { fault, message }
    }

    fn count_result(&mut self, value: &Value, out: Out<'_>) {
        let since = value
            .get("model_usage_since_last_result")
            .and_then(Value::as_object);
        if let Some(models) = since {
            for used in models.values() {
                self.settled = self.settled.plus(Usage {
                    input_tokens: total(
                        used,
                        &[
                            "inputTokens",
                            "cacheReadInputTokens",
                            "cacheCreationInputTokens",
                        ],
                    ),
                    output_tokens: count(used, "outputTokens"),
                    cost_usd: used.get("costUSD").and_then(Value::as_f64),
                });
            }
            out(usage_event(self.settled, Scope::Call));
        } else if let Some(used) = value.get("usage") {
            let mut usage = usage_of(used, self.qwen);
            usage.cost_usd = value.get("total_cost_usd").and_then(Value::as_f64);
            out(usage_event(
                usage,
                if self.qwen {
                    Scope::Session
                } else {
                    Scope::Call
                },
            ));
        }
    }
}

/// Claude counts cached tokens beside the input, Qwen within it.
pub(super) fn usage_of(used: &Value, qwen: bool) -> Usage {
    let keys = [
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ];
    let keys = if qwen { &keys[..1] } else { &keys[..] };
    Usage {
        input_tokens: total(used, keys),
        output_tokens: count(used, "output_tokens"),
        cost_usd: None,
    }
}

pub(super) fn usage_event(usage: Usage, scope: Scope) -> Event {
    Event::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_usd: usage.cost_usd,
        scope,
    }
}
