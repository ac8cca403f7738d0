//! The Responses API of OpenAI, as far as Codex uses it: always streamed.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{asked, items, json_response, stream_response, text};
use super::play::{self, Answer, Mood};

pub(super) fn answer(mood: &Mood, _path: &str, body: &Value) -> Response {
    match mood {
        Mood::Works => works(body, None),
        Mood::Runs(command) => works(body, Some(command)),
        Mood::Stumbles if play::breaks_down(body) => {
            let error =
                json!({ "message": "no idea", "type": "invalid_request_error", "code": null });
            json_response(StatusCode::BAD_REQUEST, &json!({ "error": error }))
        }
        Mood::Stumbles => works(body, None),
        Mood::Unauthorized => {
            let error = json!({ "message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key" });
            json_response(StatusCode::UNAUTHORIZED, &json!({ "error": error }))
        }
        Mood::Limited { resets_at_sec } => {
            let error = json!({
                "type": "usage_limit_reached", "message": "The usage limit has been reached",
                "plan_type": "plus", "resets_at": resets_at_sec,
            });
            json_response(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": error }))
        }
    }
}

fn works(body: &Value, instead: Option<&str>) -> Response {
    let tools = items(&body["tools"])
        .filter(|tool| tool["type"] == "function")
        .map(|tool| (text(&tool["name"]), tool["parameters"].clone()))
        .collect();
    let worked = items(&body["input"]).any(|item| item["type"] == "function_call_output");
    let id = uuid::Uuid::now_v7().simple().to_string();
    let item = match play::answer(instead, &asked(body, tools, worked)) {
        Answer::Say(said) => json!({
            "type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": said, "annotations": [] }],
        }),
        Answer::Call(name, arguments) => json!({
            "type": "function_call", "id": format!("fc_{id}"), "call_id": format!("call_{id}"), "status": "completed",
            "name": name, "arguments": arguments.to_string(),
        }),
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
        (kind, data)
    };
    stream_response(&[
        event("response.created", json!({ "response": created })),
        event(
            "response.output_item.done",
            json!({ "output_index": 0, "item": item }),
        ),
        event("response.completed", json!({ "response": completed })),
    ])
}
