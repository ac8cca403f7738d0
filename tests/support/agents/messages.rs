//! The Messages API of Anthropic, as far as Claude Code and pi use it.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{Api, asked, items, json_response, stream_response, text, with_header};
use super::play::{Answer, Asked, Refusal};

pub(super) const API: Api = Api {
    asked: |body| request(body),
    answered: |_, body, answer| respond(body, answer),
};

fn request(body: &Value) -> Asked {
    let tools = items(&body["tools"])
        .map(|tool| (text(&tool["name"]), tool["input_schema"].clone()))
        .collect();
    let last_of_user = items(&body["messages"]).rfind(|message| message["role"] == "user");
    let worked = last_of_user
        .into_iter()
        .flat_map(|message| items(&message["content"]))
        .any(|block| block["type"] == "tool_result");
    asked(body, tools, worked)
}

fn respond(body: &Value, answer: &Answer) -> Response {
    let (block, stop, whole) = match answer {
        Answer::Refuse(refusal) => return refuse(*refusal),
        Answer::Say(said) => (json!({ "type": "text", "text": said }), "end_turn", true),
        Answer::Half(said) => (json!({ "type": "text", "text": said }), "end_turn", false),
        Answer::Call(name, input) => {
            let id = format!("toolu_{}", uuid::Uuid::now_v7().simple());
            (
                json!({ "type": "tool_use", "id": id, "name": name, "input": input }),
                "tool_use",
                true,
            )
        }
    };
    let usage = json!({
        "input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 200, "output_tokens": 50,
    });
    let mut message = json!({
        "id": format!("msg_{}", uuid::Uuid::now_v7().simple()),
        "type": "message", "role": "assistant", "model": body["model"], "content": [block],
        "stop_reason": stop, "stop_sequence": null, "usage": usage,
    });
    if body["stream"] != json!(true) {
        return json_response(StatusCode::OK, &message);
    }
    message["content"] = json!([]);
    message["stop_reason"] = json!(null);
    let (begun, delta) = match text(&block["type"]).as_str() {
        "text" => (
            json!({ "type": "text", "text": "" }),
            json!({ "type": "text_delta", "text": block["text"] }),
        ),
        _ => {
            let mut begun = block.clone();
            begun["input"] = json!({});
            (
                begun,
                json!({ "type": "input_json_delta", "partial_json": block["input"].to_string() }),
            )
        }
    };
    let events = [
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": begun }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": stop, "stop_sequence": null }, "usage": usage }),
        json!({ "type": "message_stop" }),
    ];
    let sent = if whole { events.len() } else { 3 };
    let named: Vec<(&str, String)> = events
        .iter()
        .take(sent)
        .map(|event| {
            let name = event["type"].as_str().unwrap_or_default();
            (name, event.to_string())
        })
        .collect();
    stream_response(&named)
}

fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Unauthorized => error(401, "authentication_error", "invalid x-api-key"),
        Refusal::Limited { resets_at_sec } => limited(resets_at_sec),
        Refusal::Later { sec } => {
            let said = "This request would exceed your account's rate limit.";
            let response = error(429, "rate_limit_error", said);
            with_header(response, "retry-after", &sec.to_string())
        }
        Refusal::Senseless => error(400, "invalid_request_error", "no idea"),
        Refusal::Overloaded => error(529, "overloaded_error", "Overloaded"),
    }
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    json_response(
        StatusCode::from_u16(status).expect("a status"),
        &json!({ "type": "error", "error": { "type": kind, "message": message } }),
    )
}

/// The window of five hours is used up; subscribers are told so in headers.
fn limited(resets_at_sec: i64) -> Response {
    let said = "This request would exceed your account's rate limit.";
    let reset = resets_at_sec.to_string();
    [
        ("status", "rejected"),
        ("reset", reset.as_str()),
        ("representative-claim", "five_hour"),
        ("5h-status", "rejected"),
        ("5h-reset", reset.as_str()),
        ("5h-utilization", "1.0"),
        ("overage-status", "rejected"),
    ]
    .into_iter()
    .fold(
        error(429, "rate_limit_error", said),
        |response, (name, value)| {
            with_header(
                response,
                &format!("anthropic-ratelimit-unified-{name}"),
                value,
            )
        },
    )
}
