//! How a conversation begins: the version, a session, the mode in which the agent asks nobody, the model, and the prompt.

use serde_json::{Value, json};

use super::{Client, Phase, Step};
use crate::agent::event::{End, Event};
use crate::agent::fault::Fault;

/// Modes in which an agent does not ask for permission, in order of preference.
const FREE_MODES: [&str; 4] = [
    "bypassPermissions",
    "agent-full-access",
    "full-access",
    "yolo",
];

impl Client {
    pub(super) fn initialized(&mut self, result: &Value, step: &mut Step) {
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

    pub(super) fn opened(&mut self, result: &Value, step: &mut Step) {
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
    pub(super) fn prepare(&mut self, step: &mut Step) {
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
}
