//! The Messages API of Anthropic, as far as Claude Code uses it.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{asked, items, json_response, stream_response, text};
use super::play::{self, Answer, Mood};

pub(super) fn answer(mood: &Mood, _path: &str, body: &Value) -> Response {
    match mood {
        Mood::Works => works(body, None),
        Mood::Runs(command) => works(body, Some(command)),
        Mood::Stumbles if play::breaks_down(body) => {
            error(StatusCode::BAD_REQUEST, "invalid_request_error", "no idea")
        }
        Mood::Stumbles => works(body, None),
        Mood::Unauthorized => error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "invalid x-api-key",
        ),
        Mood::Limited { resets_at_sec } => limited(*resets_at_sec),
    }
}

fn works(body: &Value, instead: Option<&str>) -> Response {
    let tools = items(&body["tools"])
        .map(|tool| (text(&tool["name"]), tool["input_schema"].clone()))
        .collect();
    let worked = items(&body["messages"])
        .flat_map(|message| items(&message["content"]))
        .any(|block| block["type"] == "tool_result");
    let (block, stop) = match play::answer(instead, &asked(body, tools, worked)) {
        Answer::Say(said) => (json!({ "type": "text", "text": said }), "end_turn"),
        Answer::Call(name, input) => {
            let id = format!("toolu_{}", uuid::Uuid::now_v7().simple());
            (
                json!({ "type": "tool_use", "id": id, "name": name, "input": input }),
                "tool_use",
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
    let named: Vec<(&str, Value)> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap_or_default(), event.clone()))
        .collect();
    stream_response(&named)
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    json_response(
        status,
        &json!({ "type": "error", "error": { "type": kind, "message": message } }),
    )
}

/// The window of five hours is used up; subscribers are told so in headers.
fn limited(resets_at_sec: i64) -> Response {
    let said = "This request would exceed your account's rate limit.";
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", said);
    let reset = resets_at_sec.to_string();
    for (name, value) in [
        ("status", "rejected"),
        ("reset", reset.as_str()),
        ("representative-claim", "five_hour"),
        ("5h-status", "rejected"),
        ("5h-reset", reset.as_str()),
        ("5h-utilization", "1.0"),
        ("overage-status", "rejected"),
    ] {
        let name = format!("anthropic-ratelimit-unified-{name}");
        let name = HeaderName::try_from(name).expect("a header's name");
        response.headers_mut().insert(
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        );
    }
    response
}
