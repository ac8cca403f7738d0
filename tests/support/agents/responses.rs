//! The Responses API of OpenAI, as far as Codex uses it: always streamed.

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
        .filter(|tool| tool["type"] == "function")
        .map(|tool| (text(&tool["name"]), tool["parameters"].clone()))
        .collect();
    let since_prompt = items(&body["input"]).rev().take_while(|item| {
        let is_message = item["type"] == "message" || item["type"].is_null();
        !(is_message && item["role"] == "user")
    });
    let worked = since_prompt
        .into_iter()
        .any(|item| item["type"] == "function_call_output");
    asked(body, tools, worked)
}

fn respond(body: &Value, answer: &Answer) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let (item, whole) = match answer {
        Answer::Refuse(refusal) => return refuse(*refusal),
        Answer::Say(said) => (message(&id, said), true),
        Answer::Half(said) => (message(&id, said), false),
        Answer::Call(name, arguments) => (
            json!({
                "type": "function_call", "id": format!("fc_{id}"), "call_id": format!("call_{id}"), "status": "completed",
                "name": name, "arguments": arguments.to_string(),
            }),
            true,
        ),
    };
    let response = |status: &str, output: Value, usage: Value| {
        json!({
            "id": format!("resp_{id}"), "object": "response", "created_at": 1, "model": body["model"], "error": null,
            "status": status, "output": output, "usage": usage, "parallel_tool_calls": false,
        })
    };
    let usage = json!({
        "input_tokens": 1000, "input_tokens_details": { "cached_tokens": 200 },
        "output_tokens": 50, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 1050,
    });
    let created = response("in_progress", json!([]), Value::Null);
    let completed = response("completed", json!([item.clone()]), usage);
    let event = |kind: &'static str, mut data: Value| {
        data["type"] = json!(kind);
        (kind, data.to_string())
    };
    let events = [
        event("response.created", json!({ "response": created })),
        event(
            "response.output_item.done",
            json!({ "output_index": 0, "item": item }),
        ),
        event("response.completed", json!({ "response": completed })),
    ];
    let sent = if whole { events.len() } else { 2 };
    stream_response(events.get(..sent).unwrap_or_default())
}

fn message(id: &str, said: &str) -> Value {
    json!({
        "type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed",
        "content": [{ "type": "output_text", "text": said, "annotations": [] }],
    })
}

/// Why there is no answer, as every API of OpenAI says it.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = |status: u16, error: Value| {
        let status = StatusCode::from_u16(status).expect("a status");
        json_response(status, &json!({ "error": error }))
    };
    match refusal {
        Refusal::Unauthorized => error(
            401,
            json!({ "message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key" }),
        ),
        Refusal::Limited { resets_at_sec } => error(
            429,
            json!({
                "type": "usage_limit_reached", "message": "The usage limit has been reached",
                "plan_type": "plus", "resets_at": resets_at_sec,
            }),
        ),
        Refusal::Later { sec } => with_header(
            error(
                429,
                json!({ "message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded" }),
            ),
            "retry-after",
            &sec.to_string(),
        ),
        Refusal::Senseless => error(
            400,
            json!({ "message": "no idea", "type": "invalid_request_error", "code": null }),
        ),
        Refusal::Overloaded => error(
            503,
            json!({ "message": "The server is overloaded", "type": "server_error", "code": null }),
        ),
    }
}
