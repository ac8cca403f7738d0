//! One run in its surroundings, small enough to be searched: the stored run, its outbox, the performer at work, the
//! process that may be alive, the branch with its plan, and what has been proved of it. The outbox and the lane follow
//! `store::outbox` and `daemon::lanes`; a crash forgets performers and nothing else.

use agent_loop::core::machine::{Kind, Outcome};
use agent_loop::core::run::{
    self, Edge, Effect, Event, EventName, Facts, PlanReading, State, Terms, TroubleKind,
};
use agent_loop::core::time::Time;

use super::answers::{self, Agent, Merge, Review};
use super::laws::{self, Answer};

pub const TWO: &str = "never two processes of one run";
pub const FORGOTTEN: &str = "a process that nobody waits for is being stopped";
pub const WANTED: &str = "what a run waits for is pending or being performed";
pub const EXPLAINED: &str = "an analysis that is at work is pending or being performed";
pub const TREE: &str = "the target moves to the tree that was checked and approved";
pub const NO_PLACE: &str = "nothing is performed without a worktree";

/// The moment at which everything happens: no rule may depend on time passing between two events.
pub const NOW: Time = Time(1_000_000);

/// The machine, or one with a planted bug.
pub type Step = fn(State, &Facts, &Event, Time) -> Answer;

/// What became of an event.
#[derive(Default)]
pub struct Told {
    pub broken: Vec<&'static str>,
    pub edge: Option<Edge>,
    /// What the machine was told.
    pub event: Option<Event>,
}

/// What is searched: the machine, and how the daemon dies.
#[derive(Clone, Copy)]
pub struct Machine {
    pub step: Step,
    pub crash: fn(&mut World),
}

/// The machine as it is.
pub const REAL: Machine = Machine {
    step: run::step::<Facts>,
    crash: World::crash,
};

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub effect: Effect,
    pub generation: u64,
    pub step: Option<u64>,
}

impl Pending {
    /// The generation of the step that it begins or stops, or that it goes ahead of.
    pub fn for_step(&self) -> u64 {
        self.step.unwrap_or(self.generation)
    }
}

/// What the surroundings may do.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    pub agent: &'static [Agent],
    pub review: &'static [Review],
    pub merge: &'static [Merge],
    pub checks_may_fail: bool,
    pub troubles: &'static [TroubleKind],
    pub loses: bool,
    pub person_commits: bool,
    pub person: &'static [EventName],
}

/// A run and what is true around it.
#[derive(Clone, Debug)]
pub struct World {
    pub state: State,
    pub facts: Facts,
    pub outbox: Vec<Pending>,
    /// The performer at work, and whether it was told to let go.
    pub busy: Option<(Pending, bool)>,
    /// The generation of the step whose process is alive.
    pub process: Option<u64>,
    /// The time gate that holds the run has opened.
    pub waited: bool,
    pub placed: bool,
    pub tip: String,
    pub plan: PlanReading,
    pub tampered: bool,
    pub checked: Option<String>,
    pub approved: Option<String>,
    pub said: bool,
    pub target: Option<String>,
}

impl World {
    pub fn new(terms: Terms) -> Self {
        let plan = answers::plan(0, 0);
        World {
            state: State::INITIAL,
            facts: Facts::new(terms, plan, NOW),
            outbox: Vec::new(),
            busy: None,
            process: None,
            waited: false,
            placed: false,
            tip: "base".to_owned(),
            plan,
            tampered: false,
            checked: None,
            approved: None,
            said: false,
            target: None,
        }
    }

    /// Nothing is left to be done for an ended run.
    pub fn is_settled(&self) -> bool {
        self.state.kind() == Kind::Ended && self.outbox.is_empty() && self.process.is_none()
    }

    /// Tells the machine; stores what it says as the store does. Gives the laws that were broken, and the way taken.
    pub fn tell(&mut self, machine: Machine, event: &Event) -> Told {
        let answer = (machine.step)(self.state, &self.facts, event, NOW);
        let mut broken = laws::broken(self.state, &self.facts, event, &answer);
        let Outcome::Moved(moved) = answer else {
            let event = Some(event.clone());
            return Told {
                broken,
                edge: None,
                event,
            };
        };
        let edge = Some(Edge {
            from: moved.from,
            event: event.name(),
            answer: moved.answer,
            to: moved.to,
        });
        if self.facts.wait != moved.facts.wait {
            self.waited = false;
        }
        let proved = [State::Merging, State::Completed].contains(&moved.to);
        let enters = self.state != moved.to && proved;
        (self.state, self.facts) = (moved.to, moved.facts);
        let generation = self.facts.generation;
        let live = self.facts.step.as_ref().map(|it| it.generation);
        let wanted = live.filter(|it| *it == generation);
        self.outbox
            .retain(|it| !begins(it.effect) || Some(it.generation) == wanted);
        for effect in moved.effects {
            let step = live.filter(|_| effect.stops() || effect.step().is_some());
            if let Some((busy, let_go)) = &mut self.busy
                && effect.stops()
                && busy.for_step() == step.unwrap_or(generation)
            {
                *let_go = true;
            }
            self.outbox.push(Pending {
                effect,
                generation,
                step,
            });
        }
        if enters && !self.target_may_be(self.facts.verified_tree.as_deref()) {
            broken.push(TREE);
        }
        broken.extend(self.broken());
        let event = Some(event.clone());
        Told {
            broken,
            edge,
            event,
        }
    }

    /// What has to be true of the run and its surroundings together.
    pub fn broken(&self) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let live = self.facts.step.as_ref().map(|it| it.generation);
        let known = |it: u64| live == Some(it);
        let ending = |it: u64| {
            let stop = |p: &Pending| p.effect.stops() && p.step == Some(it);
            self.outbox.iter().any(stop)
        };
        if self.process.is_some_and(|it| !known(it)) {
            broken.push(FORGOTTEN);
        }
        if live.is_some_and(|it| it != self.facts.generation && !ending(it)) {
            broken.push(FORGOTTEN);
        }
        let listens = live.filter(|it| *it == self.facts.generation);
        let starts = |p: &Pending| p.effect.step().is_some() && p.step == listens;
        if listens.is_some() && !self.outbox.iter().any(starts) {
            broken.push(WANTED);
        }
        let explains = |p: &Pending| p.effect == Effect::WritePostmortem && !self.is_superseded(p);
        if self.facts.is_analyzed_now() && !self.outbox.iter().any(explains) {
            broken.push(EXPLAINED);
        }
        broken
    }

    /// Whether the branch stands at this tree, checked, approved and said to be complete.
    pub fn target_may_be(&self, tree: Option<&str>) -> bool {
        let reviewed = !self.facts.terms.reviewer || self.approved.as_deref() == tree;
        tree.is_some()
            && self.checked.as_deref() == tree
            && reviewed
            && self.said
            && self.plan.pending == 0
    }

    /// The daemon dies: performers are gone, processes and the store are not.
    pub fn crash(&mut self) {
        self.busy = None;
    }

    /// Whether the next effect of the lane is one that the run no longer waits for.
    pub fn is_superseded(&self, next: &Pending) -> bool {
        let another = next.generation != self.facts.generation;
        match next.effect {
            Effect::WritePostmortem => another || !self.facts.is_analyzed_now(),
            effect => !stays(effect) && another,
        }
    }

    /// Takes the effect out of the outbox, as its report does.
    pub fn done(&mut self, effect: &Pending) {
        if let Some(at) = self.outbox.iter().position(|it| it == effect) {
            self.outbox.remove(at);
        }
    }

    /// The branch moves on to another tree. Names stay few, so that the search ends.
    pub fn commit(&mut self, tree: &str) {
        let again = self.tip == tree;
        self.tip = if again {
            format!("{tree}+")
        } else {
            tree.to_owned()
        };
    }
}

/// Whether the store drops it when the run waits for another step. An analysis begins none, and is dropped by its lane.
fn begins(effect: Effect) -> bool {
    !stays(effect) && effect != Effect::WritePostmortem
}

/// Stops and what follows an end hold whatever has happened since.
pub fn stays(effect: Effect) -> bool {
    match effect {
        Effect::StopStep | Effect::CloseRun | Effect::RemoveWorktrees | Effect::CollectRun => true,
        Effect::NameRun
        | Effect::PrepareWorktree
        | Effect::StartAgent
        | Effect::StartReview
        | Effect::StartChecks
        | Effect::Judge
        | Effect::StartMerge
        | Effect::RewritePrompt
        | Effect::WritePostmortem => false,
    }
}
