//! What follows from a table: its names, the states that a group means, what is said about a cell, every edge.

use std::collections::BTreeSet;

use super::model::{Event, Machine, Move, Says, State, Target};

/// One way from a state to a state (possibly the same one).
pub struct Edge<'a> {
    pub from: &'a State,
    pub event: &'a Event,
    pub to: &'a str,
    pub record: &'a [String],
    pub target: &'a Target,
}

/// Everything that a table declares, by name.
pub struct Names<'a> {
    pub states: BTreeSet<&'a str>,
    pub events: BTreeSet<&'a str>,
    pub effects: BTreeSet<&'a str>,
    pub updates: BTreeSet<&'a str>,
    pub choices: BTreeSet<&'a str>,
}

impl Machine {
    pub fn names(&self) -> Names<'_> {
        Names {
            states: self
                .states
                .iter()
                .map(|state| state.name.as_str())
                .collect(),
            events: self
                .events
                .iter()
                .map(|event| event.name.as_str())
                .collect(),
            effects: self
                .effects
                .iter()
                .map(|effect| effect.name.as_str())
                .collect(),
            updates: self
                .updates
                .iter()
                .map(|update| update.name.as_str())
                .collect(),
            choices: self
                .choices
                .iter()
                .map(|choice| choice.name.as_str())
                .collect(),
        }
    }

    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }

    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }

    /// The states that names and `@groups` mean; an unknown name means none (`check` reports it).
    pub fn members(&self, names: &[String]) -> Vec<&State> {
        let means = |name: &str, state: &State| match name.strip_prefix('@') {
            Some(kind) => kind == "all" || state.kind.name() == kind,
            None => state.name == name,
        };
        let one = |name| self.states.iter().filter(move |state| means(name, state));
        names.iter().flat_map(|name| one(name.as_str())).collect()
    }

    /// Everything that is said about a cell: exactly one thing in a sound table.
    pub fn cell(&self, state: &State, event: &Event) -> Vec<&Says> {
        let mut said = Vec::new();
        for row in &self.rows {
            for _ in row.on.iter().filter(|name| **name == event.name) {
                let members = self.members(&row.states).into_iter();
                said.extend(
                    members
                        .filter(|member| member.name == state.name)
                        .map(|_| &row.says),
                );
            }
        }
        said
    }

    /// Every declared edge: by state, then event, then answer.
    pub fn edges(&self) -> Vec<Edge<'_>> {
        let mut edges = Vec::new();
        for (from, event) in self.pairs() {
            for says in self.cell(from, event) {
                let Says::Move(Move {
                    record, targets, ..
                }) = says
                else {
                    continue;
                };
                for target in targets {
                    edges.push(Edge {
                        from,
                        event,
                        to: target.state(from),
                        record,
                        target,
                    });
                }
            }
        }
        edges
    }

    /// Every (state, event), by state.
    pub fn pairs(&self) -> impl Iterator<Item = (&State, &Event)> {
        let with_events = |state| self.events.iter().map(move |event| (state, event));
        self.states.iter().flat_map(with_events)
    }
}

impl Edge<'_> {
    pub fn updates(&self, name: &str) -> bool {
        self.record
            .iter()
            .chain(&self.target.update)
            .any(|update| update == name)
    }

    /// The event, and the answer where there is one.
    pub fn label(&self) -> String {
        let answer = self
            .target
            .answer
            .iter()
            .map(|answer| format!(" / {answer}"));
        format!("{}{}", self.event.name, answer.collect::<String>())
    }
}
