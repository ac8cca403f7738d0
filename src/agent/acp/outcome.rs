//! What an agent's last answer means: how its turn ended, or what kind of error it is. Every agent fills an error in
//! another way; all of its words are read.

use serde_json::Value;

use crate::agent::event::End;
use crate::agent::fault::Fault;

/// The protocol's own code for "log in first".
const AUTH_REQUIRED: i64 = -32_000;

/// How a prompt ended.
pub(super) fn end(result: &Value) -> End {
    match result.get("stopReason").and_then(Value::as_str) {
        Some("end_turn") => End::Done,
        Some("max_turn_requests") => End::MaxTurns,
        Some("cancelled") => End::Failed {
            fault: Fault::Interrupted,
            message: "canceled".to_owned(),
        },
        Some("refusal") => End::Failed {
            fault: Fault::Refused,
            message: "the model refuses to answer".to_owned(),
        },
        Some(reason) => End::Failed {
            fault: Fault::Other,
            message: format!("the model stopped early ({reason})"),
        },
        None => End::Failed {
            fault: Fault::Other,
            message: "the agent answered without a reason to stop".to_owned(),
        },
    }
}

/// What kind of error it is, and in which words.
pub(super) fn failure(error: &Value) -> (Fault, String) {
    let words: Vec<&str> = [
        "/data/message",
        "/data/details",
        "/data/error",
        "/data/errorMessage",
        "/message",
    ]
    .iter()
    .filter_map(|place| error.pointer(place).and_then(Value::as_str))
    .collect();
    let message = words
        .first()
        .copied()
        .unwrap_or("no reason given")
        .to_owned();
    let code = error.get("code").and_then(Value::as_i64);
    if code == Some(AUTH_REQUIRED) {
        return (Fault::Auth, message);
    }
    let status = code.and_then(|code| u16::try_from(code).ok());
    let kinds = match error.get("data") {
        Some(data) => format!("{} {data}", words.join(" ")),
        None => words.join(" "),
    };
    (Fault::new(status, &kinds), message)
}
