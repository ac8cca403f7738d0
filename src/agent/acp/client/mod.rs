//! The conversation with an agent, without I/O: its messages are taken one by one, and each says what is to be sent, told and
//! done. How it begins, up to the prompt, is `opening`'s business.

mod opening;

use serde_json::{Value, json};

use super::outcome;
use super::update::Updates;
use crate::agent::event::{End, Event};
use crate::agent::fault::Fault;
use crate::agent::text::summary;

/// What the agent is to do.
#[derive(Clone, Debug)]
pub struct Order {
    /// The worktree, as an absolute path.
    pub cwd: String,
    /// The prompt.
    pub prompt: String,
    /// The session to go on with.
    pub resume: Option<String>,
    /// The model to ask for.
    pub model: Option<String>,
}

/// What follows from a message.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// Messages to send, in order.
    pub send: Vec<Value>,
    /// What was said.
    pub events: Vec<Event>,
    /// The conversation is over.
    pub over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Initialize,
    Session,
    Mode,
    Model,
    Prompt,
    Over,
}

/// One conversation.
#[derive(Debug)]
pub struct Client {
    order: Order,
    phase: Phase,
    /// The id of the request that is not answered yet.
    asked: u64,
    session: String,
    /// The agent can open a session of an earlier call.
    loads: bool,
    /// The request that will ask for the model, once the mode is set.
    model: Option<(&'static str, Value)>,
    updates: Updates,
    canceled: bool,
}

impl Client {
    /// A conversation, and its first message.
    pub fn start(order: Order) -> (Client, Step) {
        let mut client = Client {
            updates: Updates::new(order.resume.is_none()),
            order,
            phase: Phase::Initialize,
            asked: 0,
            session: String::new(),
            loads: false,
            model: None,
            canceled: false,
        };
        let mut step = Step::default();
        let params = json!({
            "protocolVersion": 1,
            "clientInfo": { "name": "loopd", "version": env!("CARGO_PKG_VERSION") },
            "clientCapabilities": {
                "fs": { "readTextFile": false, "writeTextFile": false },
                "terminal": false,
            },
        });
        client.ask("initialize", params, &mut step);
        (client, step)
    }

    /// A message of the agent's.
    pub fn take(&mut self, message: &Value) -> Step {
        let mut step = Step::default();
        let method = message.get("method").and_then(Value::as_str);
        let params = message.get("params").unwrap_or(&Value::Null);
        match (method, message.get("id")) {
            (Some("session/update"), None) => {
                // Before the prompt an agent repeats an old session, or talks of its mode.
                if self.phase == Phase::Prompt {
                    self.updates.take(params, &mut step.events);
                }
            }
            (Some("session/request_permission"), Some(id)) => self.permit(id, params, &mut step),
            (Some(method), Some(id)) => step.send.push(json!({
                "jsonrpc": "2.0",
                "id": id,
                "error": { "code": -32601, "message": format!("not offered: {method}") },
            })),
            (Some(_), None) => {}
            (None, id) => {
                if id.and_then(Value::as_u64) == Some(self.asked) {
                    self.answered(message, &mut step);
                }
            }
        }
        step
    }

    /// The agent is to stop.
    pub fn cancel(&mut self) -> Step {
        let mut step = Step::default();
        self.canceled = true;
        match self.phase {
            Phase::Prompt => step.send.push(json!({
                "jsonrpc": "2.0",
                "method": "session/cancel",
                "params": { "sessionId": self.session },
            })),
            Phase::Initialize | Phase::Session | Phase::Mode | Phase::Model | Phase::Over => {
                self.phase = Phase::Over;
                step.over = true;
            }
        }
        step
    }

    fn ask(&mut self, method: &str, params: Value, step: &mut Step) {
        self.asked += 1;
        step.send.push(json!({
            "jsonrpc": "2.0",
            "id": self.asked,
            "method": method,
            "params": params,
        }));
    }

    fn answered(&mut self, message: &Value, step: &mut Step) {
        // The end is told once, whatever an agent still says to the same request.
        if self.phase == Phase::Over {
            return;
        }
        if let Some(error) = message.get("error") {
            // An agent that cannot change its mode or model may do its work all the same.
            if matches!(self.phase, Phase::Mode | Phase::Model) {
                let (_, message) = outcome::failure(error);
                step.events.push(Event::Error { message });
                self.prepare(step);
                return;
            }
            let (fault, message) = outcome::failure(error);
            let fault = match fault {
                // Whatever an agent says of a session that it does not open, another may do.
                Fault::Other | Fault::Refused
                    if self.phase == Phase::Session && self.order.resume.is_some() =>
                {
                    Fault::NoSession
                }
                said => said,
            };
            self.finish(End::Failed { fault, message }, step);
            return;
        }
        let result = message.get("result").unwrap_or(&Value::Null);
        match self.phase {
            Phase::Initialize => self.initialized(result, step),
            Phase::Session => self.opened(result, step),
            Phase::Mode => self.prepare(step),
            Phase::Model => {
                if let Some(name) = self.order.model.clone() {
                    step.events.push(Event::Model { name });
                }
                self.prepare(step);
            }
            Phase::Prompt => {
                self.updates.end(result, &mut step.events);
                self.finish(outcome::end(result), step);
            }
            Phase::Over => {}
        }
    }

    fn permit(&mut self, id: &Value, params: &Value, step: &mut Step) {
        let allowing = params
            .get("options")
            .and_then(Value::as_array)
            .and_then(|options| {
                options.iter().find(|option| {
                    let kind = option.get("kind").and_then(Value::as_str);
                    kind.is_some_and(|kind| kind.starts_with("allow"))
                })
            })
            .and_then(|option| option.get("optionId"));
        let outcome = match allowing {
            Some(option) if !self.canceled => json!({ "outcome": "selected", "optionId": option }),
            Some(_) | None => {
                let call = params.get("toolCall").unwrap_or(&Value::Null);
                step.events.push(Event::Denied {
                    what: summary(call),
                });
                json!({ "outcome": "cancelled" })
            }
        };
        step.send
            .push(json!({ "jsonrpc": "2.0", "id": id, "result": { "outcome": outcome } }));
    }

    fn finish(&mut self, end: End, step: &mut Step) {
        self.phase = Phase::Over;
        self.updates.flush(&mut step.events);
        step.events.push(Event::Result { end, message: None });
        step.over = true;
    }
}
