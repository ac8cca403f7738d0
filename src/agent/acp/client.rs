//! The conversation with an agent, without I/O: initialize, a session (new, or an old one), the mode in which it asks
//! nobody, the model, the prompt, its answer.

use serde_json::{Value, json};

use super::outcome;
use super::update::Updates;
use crate::agent::event::{End, Event};
use crate::agent::fault::Fault;
use crate::agent::text::summary;

/// Modes in which an agent does not ask for permission, in order of preference.
const FREE_MODES: [&str; 4] = [
    "bypassPermissions",
    "agent-full-access",
    "full-access",
    "yolo",
];

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

    fn initialized(&mut self, result: &Value, step: &mut Step) {
        let version = result.get("protocolVersion").and_then(Value::as_u64);
        if version != Some(1) {
            let message = match version {
                Some(version) => {
                    format!("the agent speaks version {version} of the protocol, not 1")
                }
                None => "the agent does not say which version of the protocol it speaks".to_owned(),
            };
            let fault = Fault::Refused;
            return self.finish(End::Failed { fault, message }, step);
        }
        self.loads = result.pointer("/agentCapabilities/loadSession") == Some(&Value::Bool(true));
        if self.order.resume.is_some() && !self.loads {
            let fault = Fault::NoSession;
            let message = "the agent cannot load sessions".to_owned();
            return self.finish(End::Failed { fault, message }, step);
        }
        self.phase = Phase::Session;
        let cwd = self.order.cwd.clone();
        match self.order.resume.clone() {
            Some(session) => {
                self.session.clone_from(&session);
                let params = json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] });
                self.ask("session/load", params, step);
            }
            None => {
                let params = json!({ "cwd": cwd, "mcpServers": [] });
                self.ask("session/new", params, step);
            }
        }
    }

    fn opened(&mut self, result: &Value, step: &mut Step) {
        if let Some(session) = result.get("sessionId").and_then(Value::as_str) {
            self.session = session.to_owned();
        }
        if self.loads {
            step.events.push(Event::Session {
                id: self.session.clone(),
            });
        }
        if let Some(model) = self.order.model.clone() {
            self.choose_model(&model, result, step);
        } else if let Some(model) = result
            .pointer("/models/currentModelId")
            .and_then(Value::as_str)
        {
            step.events.push(Event::Model {
                name: model.to_owned(),
            });
        }
        let modes = result
            .pointer("/modes/availableModes")
            .and_then(Value::as_array);
        let offered = |wanted: &&str| {
            modes.is_some_and(|modes| {
                modes
                    .iter()
                    .any(|mode| mode.get("id").and_then(Value::as_str) == Some(wanted))
            })
        };
        match FREE_MODES.iter().copied().find(offered) {
            Some(mode) => {
                self.phase = Phase::Mode;
                let params = json!({ "sessionId": self.session, "modeId": mode });
                self.ask("session/set_mode", params, step);
            }
            None => self.prepare(step),
        }
    }

    /// Agents take a model in one of two ways, and each says which.
    fn choose_model(&mut self, model: &str, result: &Value, step: &mut Step) {
        let session = &self.session;
        let option = result
            .get("configOptions")
            .and_then(Value::as_array)
            .and_then(|options| {
                options
                    .iter()
                    .find(|option| option.get("category").and_then(Value::as_str) == Some("model"))
            })
            .and_then(|option| option.get("id"));
        self.model = if result.pointer("/models/availableModels").is_some() {
            let params = json!({ "sessionId": session, "modelId": model });
            Some(("session/set_model", params))
        } else if let Some(option) = option {
            let params = json!({ "sessionId": session, "configId": option, "value": model });
            Some(("session/set_config_option", params))
        } else {
            step.events.push(Event::Error {
                message: format!("the agent offers no choice of models, so not {model}"),
            });
            None
        };
    }

    /// The model, if one is still to be set, then the prompt.
    fn prepare(&mut self, step: &mut Step) {
        if let Some((method, params)) = self.model.take() {
            self.phase = Phase::Model;
            self.ask(method, params, step);
            return;
        }
        self.phase = Phase::Prompt;
        let params = json!({
            "sessionId": self.session,
            "prompt": [{ "type": "text", "text": self.order.prompt }],
        });
        self.ask("session/prompt", params, step);
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
