//! The Chat Completions API of OpenAI, as far as opencode, Qwen Code and aider use it.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::model::{Api, asked, items, json_response, stream_response, text};
use super::play::{Answer, Asked};
use super::responses::refuse;

pub(super) const API: Api = Api {
    asked: |body| request(body),
    answered: |_, body, answer| respond(body, answer),
};

fn request(body: &Value) -> Asked {
    let tools = items(&body["tools"])
        .map(|tool| &tool["function"])
        .map(|tool| (text(&tool["name"]), tool["parameters"].clone()))
        .collect();
    let worked = items(&body["messages"])
        .rev()
        .take_while(|message| message["role"] != "user")
        .any(|message| message["role"] == "tool");
    asked(body, tools, worked)
}

fn respond(body: &Value, answer: &Answer) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let (message, stop, whole) = match answer {
        Answer::Refuse(refusal) => return refuse(*refusal),
        Answer::Say(said) => (said_by_it(said), "stop", true),
        Answer::Half(said) => (said_by_it(said), "stop", false),
        Answer::Call(name, arguments) => (
            json!({ "role": "assistant", "content": null, "tool_calls": [{
                "index": 0, "id": format!("call_{id}"), "type": "function",
                "function": { "name": name, "arguments": arguments.to_string() },
            }] }),
            "tool_calls",
            true,
        ),
    };
    let usage = json!({
        "prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
        "prompt_tokens_details": { "cached_tokens": 200 },
    });
    let reply = |object: &str, choices: Value, usage: Option<&Value>| {
        json!({
            "id": format!("chatcmpl-{id}"), "object": object, "created": 1, "model": body["model"],
            "choices": choices, "usage": usage,
        })
    };
    if body["stream"] != json!(true) {
        let choices = json!([{ "index": 0, "message": message, "finish_reason": stop }]);
        return json_response(
            StatusCode::OK,
            &reply("chat.completion", choices, Some(&usage)),
        );
    }
    let chunk = |delta: Value, stop: Option<&str>, usage: Option<&Value>| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": stop }]);
        (
            "",
            reply("chat.completion.chunk", choices, usage).to_string(),
        )
    };
    let events = [
        chunk(message, None, None),
        chunk(json!({}), Some(stop), Some(&usage)),
        ("", "[DONE]".to_owned()),
    ];
    let sent = if whole { events.len() } else { 1 };
    stream_response(events.get(..sent).unwrap_or_default())
}

fn said_by_it(said: &str) -> Value {
    json!({ "role": "assistant", "content": said })
}
