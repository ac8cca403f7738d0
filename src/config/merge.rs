//! Layers on top of each other: later ones win, lists that grow are added up, and what only shows when layers meet (a
//! lowered sandbox, a fallback without an agent) is found here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::choices::Sandbox;
use super::key::{AGENTS, Key, Scope};
use super::layer::{Findings, Layer, Place};
use super::problem::Problem;
use super::table::KEYS;
use super::types::AgentDefinition;
use crate::core::run::OnUsageLimit;

/// The values so far, and for each the layer and line that set it.
#[derive(Default)]
pub(super) struct Merged<'a> {
    values: BTreeMap<&'static str, (Value, &'a str, Option<usize>)>,
    agents: BTreeMap<&'a str, &'a AgentDefinition>,
}

impl<'a> Merged<'a> {
    /// Put a layer on top.
    pub fn put(&mut self, layer: &'a Layer, findings: &mut Findings) {
        for key in KEYS {
            let Some(setting) = layer.settings.get(key.name) else {
                continue;
            };
            let below = self.values.get(key.name).map(|(value, ..)| value);
            let value = match below {
                Some(below) if key.grows => joined(below, &setting.value),
                Some(_) | None => setting.value.clone(),
            };
            let lowered = below.filter(|below| {
                layer.place == Place::Workspace
                    && key.name == "sandbox"
                    && strictness(&value) < strictness(below)
            });
            if let Some(below) = lowered {
                findings.problems.push(Problem {
                    origin: layer.origin.clone(),
                    line: setting.line,
                    key: Some(key.name.to_owned()),
                    what: format!(
                        "a workspace file cannot lower it from {below} to {value}; that belongs in your \
                         own config file or in a flag"
                    ),
                    nearest: None,
                });
                continue;
            }
            let origin = layer.origin.as_str();
            self.values.insert(key.name, (value, origin, setting.line));
        }
        for (name, agent) in &layer.agents {
            self.agents.insert(name, agent);
        }
    }

    /// What no layer can know by itself.
    pub fn check_together(&self, findings: &mut Findings) {
        let fallback = json!(OnUsageLimit::Fallback);
        let unset = |name: &str| {
            self.values
                .get(name)
                .is_none_or(|(value, ..)| value.is_null())
        };
        if let Some((value, origin, line)) = self.values.get("on_usage_limit")
            && *value == fallback
            && unset("fallback_agent")
        {
            findings.problems.push(Problem {
                origin: (*origin).to_owned(),
                line: *line,
                key: Some("on_usage_limit".to_owned()),
                what: "\"fallback\" needs `fallback_agent`, which is not set".to_owned(),
                nearest: None,
            });
        }
    }

    /// What the keys of this scope have come to.
    pub fn values(self, scope: Scope) -> Map<String, Value> {
        let of_scope = |name: &str| Key::find(name).is_some_and(|key| key.scope == scope);
        let mut values: Map<String, Value> = self
            .values
            .into_iter()
            .filter(|(name, _)| of_scope(name))
            .map(|(name, (value, ..))| (name.to_owned(), value))
            .collect();
        if scope == Scope::Run {
            values.insert(AGENTS.to_owned(), json!(self.agents));
        }
        values
    }
}

fn strictness(sandbox: &Value) -> u8 {
    serde_json::from_value(sandbox.clone()).map_or(0, Sandbox::strictness)
}

/// Two lists as one, what both have said once.
fn joined(below: &Value, above: &Value) -> Value {
    let mut all: Vec<&Value> = Vec::new();
    for item in [below, above]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
    {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    json!(all)
}
