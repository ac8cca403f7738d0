//! The Gemini API, as far as Gemini CLI uses it.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{asked, items, json_response, stream_response, text};
use super::play::{self, Answer, Mood};

pub(super) fn answer(mood: &Mood, path: &str, body: &Value) -> Response {
    match mood {
        Mood::Works => works(path, body, None),
        Mood::Runs(command) => works(path, body, Some(command)),
        Mood::Stumbles if play::breaks_down(body) => {
            error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "no idea")
        }
        Mood::Stumbles => works(path, body, None),
        Mood::Unauthorized => error(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "API key not valid.",
        ),
        Mood::Limited { resets_at_sec: _ } => error(
            StatusCode::TOO_MANY_REQUESTS,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota. Quota exceeded for metric: requests_per_day",
        ),
    }
}

fn error(status: StatusCode, name: &str, message: &str) -> Response {
    let error = json!({ "code": status.as_u16(), "message": message, "status": name });
    json_response(status, &json!({ "error": error }))
}

fn works(path: &str, body: &Value, instead: Option<&str>) -> Response {
    let tools = items(&body["tools"])
        .flat_map(|tool| items(&tool["functionDeclarations"]))
        .map(|tool| (text(&tool["name"]), schema(tool)))
        .collect();
    let worked = items(&body["contents"])
        .flat_map(|content| items(&content["parts"]))
        .any(|part| part.get("functionResponse").is_some());
    let part = match play::answer(instead, &asked(body, tools, worked)) {
        Answer::Say(said) => json!({ "text": said }),
        Answer::Call(name, args) => json!({ "functionCall": { "name": name, "args": args } }),
    };
    let reply = json!({
        "candidates": [{ "content": { "role": "model", "parts": [part] }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": { "promptTokenCount": 1000, "candidatesTokenCount": 50, "totalTokenCount": 1050 },
        "responseId": uuid::Uuid::now_v7().simple().to_string(),
    });
    if path.contains(":stream") {
        stream_response(&[("", reply)])
    } else {
        json_response(StatusCode::OK, &reply)
    }
}

fn schema(tool: &Value) -> Value {
    let schema = tool
        .get("parametersJsonSchema")
        .or_else(|| tool.get("parameters"));
    schema.cloned().unwrap_or_default()
}
