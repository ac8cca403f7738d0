//! The Gemini API, as far as Gemini CLI uses it.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{Api, asked, items, json_response, stream_response, text};
use super::play::{Answer, Asked, Refusal};

pub(super) const API: Api = Api {
    asked: |body| request(body),
    answered: |path, _, answer| respond(path, answer),
};

fn request(body: &Value) -> Asked {
    let tools = items(&body["tools"])
        .flat_map(|tool| items(&tool["functionDeclarations"]))
        .map(|tool| (text(&tool["name"]), schema(tool)))
        .collect();
    let last_of_user = items(&body["contents"]).rfind(|content| content["role"] != "model");
    let worked = last_of_user
        .into_iter()
        .flat_map(|content| items(&content["parts"]))
        .any(|part| part.get("functionResponse").is_some());
    asked(body, tools, worked)
}

fn respond(path: &str, answer: &Answer) -> Response {
    let (part, stop) = match answer {
        Answer::Refuse(refusal) => return refuse(*refusal),
        Answer::Say(said) => (json!({ "text": said }), Some("STOP")),
        Answer::Half(said) => (json!({ "text": said }), None),
        Answer::Call(name, args) => (
            json!({ "functionCall": { "name": name, "args": args } }),
            Some("STOP"),
        ),
    };
    let mut reply = json!({
        "candidates": [{ "content": { "role": "model", "parts": [part] }, "index": 0 }],
        "usageMetadata": { "promptTokenCount": 1000, "candidatesTokenCount": 50, "totalTokenCount": 1050 },
        "responseId": uuid::Uuid::now_v7().simple().to_string(),
    });
    if let Some(stop) = stop {
        reply["candidates"][0]["finishReason"] = json!(stop);
    }
    if path.contains(":stream") {
        stream_response(&[("", reply.to_string())])
    } else {
        json_response(StatusCode::OK, &reply)
    }
}

fn refuse(refusal: Refusal) -> Response {
    let error = |status: u16, name: &str, message: &str, details: Value| {
        let error =
            json!({ "code": status, "message": message, "status": name, "details": details });
        let status = StatusCode::from_u16(status).expect("a status");
        json_response(status, &json!({ "error": error }))
    };
    match refusal {
        Refusal::Unauthorized => error(401, "UNAUTHENTICATED", "API key not valid.", json!([])),
        Refusal::Limited { resets_at_sec: _ } => error(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota. Quota exceeded for metric: requests_per_day",
            json!([]),
        ),
        Refusal::Later { sec } => error(
            429,
            "RESOURCE_EXHAUSTED",
            "This request would exceed your rate limit.",
            json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{sec}s") }]),
        ),
        Refusal::Senseless => error(400, "INVALID_ARGUMENT", "no idea", json!([])),
        Refusal::Overloaded => error(503, "UNAVAILABLE", "Overloaded", json!([])),
    }
}

fn schema(tool: &Value) -> Value {
    let schema = tool
        .get("parametersJsonSchema")
        .or_else(|| tool.get("parameters"));
    schema.cloned().unwrap_or_default()
}
