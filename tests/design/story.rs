//! A run that hears one event after the other, in the words of the stories that `flaws` tells.

use agent_loop::core::machine::{Moved, Outcome};
use agent_loop::core::run::{self, Effect, Event, Facts, State, Terms, TroubleKind};
use agent_loop::core::time::Time;

use super::answers::{self, Agent};

pub const NOW: Time = Time(1_000_000);

/// A run that hears one event after the other.
pub struct Story {
    pub state: State,
    pub facts: Facts,
    pub effects: Vec<Effect>,
}

impl Story {
    pub fn new(terms: Terms) -> Self {
        Story {
            state: State::INITIAL,
            facts: Facts::new(terms, answers::plan(0, 0), NOW),
            effects: Vec::new(),
        }
    }

    pub fn hears(&mut self, event: Event) -> &mut Self {
        match run::step(self.state, &self.facts, &event, NOW) {
            Outcome::Moved(Moved {
                to, facts, effects, ..
            }) => {
                (self.state, self.facts, self.effects) = (to, facts, effects);
            }
            other => panic!("{:?} in {}: {other:?}", event.name(), self.state),
        }
        self
    }

    /// The wait before the next try is over.
    pub fn is_due(&mut self) -> &mut Self {
        let generation = self.facts.generation;
        self.hears(Event::RetryDue { generation })
    }

    pub fn claim(&mut self) -> &mut Self {
        let worker = "w".to_owned();
        self.hears(Event::Claim { worker })
    }

    pub fn agent(&mut self, agent: Agent, tampered: bool) -> &mut Self {
        let generation = self.facts.generation;
        let plan = agent.plan(self.facts.plan);
        let report = agent.report("t1", plan, tampered);
        self.hears(Event::AgentDone { generation, report })
    }

    pub fn checks(&mut self, passed: bool) -> &mut Self {
        let generation = self.facts.generation;
        let report = answers::checks("t1", passed);
        self.hears(Event::ChecksDone { generation, report })
    }

    pub fn judged(&mut self, tampered: bool) -> &mut Self {
        let generation = self.facts.generation;
        let evidence = answers::evidence("t1", self.facts.plan, None, tampered);
        self.hears(Event::Judged {
            generation,
            evidence,
        })
    }

    pub fn trouble(&mut self, kind: TroubleKind) -> &mut Self {
        let generation = self.facts.generation;
        let trouble = answers::trouble(kind);
        self.hears(Event::EffectFailed {
            generation,
            trouble,
        })
    }

    pub fn conflict(&mut self) -> &mut Self {
        let generation = self.facts.generation;
        let files = vec!["f".to_owned()];
        self.hears(Event::MergeConflict { generation, files })
    }

    pub fn resume(&mut self, accept: bool) -> &mut Self {
        self.hears(Event::Resume { accept, note: None })
    }

    pub fn held_for(&self) -> Option<&str> {
        self.facts.hold.as_ref().map(|it| it.code.as_str())
    }

    /// Up to the merge.
    pub fn merges(&mut self) -> &mut Self {
        self.claim()
            .agent(Agent::Finishes, false)
            .checks(true)
            .judged(false);
        assert_eq!(self.state, State::Merging);
        self
    }
}
